package platform

import (
	"slices"
	"sync"
	"time"

	"obsandbox/sandbox/internal/platform/world"
)

// flowRates are the events per second on their way, as the programs' counters have them.
type flowRates struct {
	Received  float64 `json:"events_received_per_second"`
	Published float64 `json:"events_published_per_second"`
	Processed float64 `json:"events_processed_per_second"`
	Stored    float64 `json:"events_stored_per_second"`
}

// flow watches the world's counters as somebody who scrapes them would: over some seconds, and never backwards.
type flow struct {
	mu     sync.Mutex
	at     time.Time
	totals map[counter]float64
	now    flowRates
}

// counter is one host's part of a rate.
type counter struct{ host, metric string }

// flowEvery is the time between two looks.
const flowEvery = 5 * time.Second

func newFlow(w *world.World) *flow {
	f := &flow{at: w.Now()}
	f.totals = f.read(w)
	return f
}

// look brings the rates up to date when it is time.
func (f *flow) look(w *world.World) {
	f.mu.Lock()
	defer f.mu.Unlock()
	passed := w.Now().Sub(f.at)
	if passed < flowEvery {
		return
	}
	totals := f.read(w)
	f.now = flowRates{}
	for c, total := range totals {
		// A host that has come anew counts from its start.
		grown := total - f.totals[c]
		if grown < 0 {
			grown = total
		}
		rate := map[string]*float64{
			"collector_messages_received_total": &f.now.Received, "collector_messages_published_total": &f.now.Published,
			"pipeline_messages_processed_total": &f.now.Processed, "storage_writes_total": &f.now.Stored,
		}[c.metric]
		*rate += grown / passed.Seconds()
	}
	f.at, f.totals = w.Now(), totals
}

// read sums the counters of each host: of the pipeline, what its last stage let through; of the storage, what
// TimescaleDB took, where every event goes.
func (f *flow) read(w *world.World) map[counter]float64 {
	totals := map[counter]float64{}
	for _, h := range w.Hosts() {
		w.Read(h.Name, func(s *world.Series) {
			has := func(label string) bool { return slices.Contains(s.Labels, label) }
			switch name := s.Metric.Name; {
			case name == "collector_messages_received_total", name == "collector_messages_published_total",
				name == "pipeline_messages_processed_total" && has("enrichment") && has("success"),
				name == "storage_writes_total" && has("timescaledb") && has("success"):
				totals[counter{h.Name, name}] += s.Value
			}
		})
	}
	return totals
}

func (f *flow) rates() flowRates {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}
