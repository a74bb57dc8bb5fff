package world

import (
	"math"
	"time"
)

// What the platform is built for. The document's objective is more than 10,000 events/s: the quietest hour stays above.
const (
	meanRate = 12_500.0 // events/s over a day
	daily    = 0.12     // the busiest hour's share above the mean, the quietest's below
	// partitions of the topic events.
	partitions = 6
	// capacity is what each of the three task managers can process, events/s.
	capacity = 7_000.0
)

// collectorShare is each collector's part of the events.
func collectorShare(service string) float64 {
	switch service {
	case "shipping-collector":
		return 0.5
	case "inventory-collector":
		return 0.3
	}
	return 0.2
}

// load is what the world asks of the platform, and the slow wandering of everything that is never quite the same.
type load struct {
	// rate is events/s.
	rate float64
	// drift are slow random walks around 1, by name.
	drift map[string]*float64
	names []string
}

func (l *load) init(w *World) {
	l.drift = map[string]*float64{}
	for _, name := range []string{"rate", "errors", "api", "pipeline", "storage", "queries", "cache", "cpu", "memory"} {
		l.drift[name] = new(1.0)
		l.names = append(l.names, name)
	}
	l.step(w)
}

// step moves the load on by a tick: a curve over the day, its peak in the afternoon, and a walk that always returns.
func (l *load) step(w *World) {
	// The walk forgets half of where it is in ten minutes.
	keep := math.Exp2(-w.dt / 600)
	for _, name := range l.names {
		v := l.drift[name]
		*v = 1 + (*v-1)*keep + w.rand.NormFloat64()*0.015*math.Sqrt(1-keep*keep)
	}
	midnight := w.now.UTC().Truncate(24 * time.Hour)
	hour := w.now.Sub(midnight).Hours()
	l.rate = meanRate * (1 + daily*math.Sin((hour-9)/24*2*math.Pi)) * l.of("rate")
}

// of is a walk's present value, about 1.
func (l *load) of(name string) float64 { return *l.drift[name] }

// jitter is 1 with a little noise that is new with every call.
func (w *World) jitter(share float64) float64 { return 1 + share*(2*w.rand.Float64()-1) }
