package world

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Fault is one way in which the platform can break.
type Fault struct {
	Name    string `json:"name"`
	Meaning string `json:"meaning"`
	// Services are those that it can be set for, one at a time or all together.
	Services []string `json:"services"`
	// Alert is the alert that it fires, given time; empty where none is meant to.
	Alert string `json:"alert,omitempty"`
	// Alerts are those that it fires by the service that it is set for; the same Alert for each where there are none.
	Alerts map[string]string `json:"alerts,omitempty"`
	// Burns are the alerts about error budgets that it fires as well, whatever service it is set for.
	Burns []string `json:"burns,omitempty"`
}

// Fires is the alert that the fault fires when it is set for a service; empty for none.
func (f Fault) Fires(service string) string {
	if f.Alerts != nil {
		return f.Alerts[service]
	}
	return f.Alert
}

// FiresAny says whether an alert is among those that the fault fires when it is set for a service; an empty service is
// all of them.
func (f Fault) FiresAny(alert, service string) bool {
	if slices.Contains(f.Burns, alert) {
		return true
	}
	if service != "" {
		return f.Fires(service) == alert
	}
	return slices.ContainsFunc(f.Services, func(s string) bool { return f.Fires(s) == alert })
}

// AlertsText names the alerts that the fault fires, with the services where not every one does; empty for none.
func (f Fault) AlertsText() string {
	by := map[string][]string{}
	for _, s := range f.Services {
		if a := f.Fires(s); a != "" {
			by[a] = append(by[a], s)
		}
	}
	var out []string
	for _, a := range slices.Sorted(maps.Keys(by)) {
		if len(by[a]) < len(f.Services) {
			a += " (" + strings.Join(by[a], ", ") + ")"
		}
		out = append(out, a)
	}
	return strings.Join(append(out, f.Burns...), ", ")
}

// Active is a fault that is set.
type Active struct {
	Name string `json:"name"`
	// Service is the one it is set for; empty for all.
	Service string `json:"service,omitempty"`
	// Until is when it ends by itself; zero for never.
	Until time.Time `json:"until,omitzero"`
}

// Collectors, and the other services that run as pods.
func collectorNames() []string {
	return []string{"inventory-collector", "shipping-collector", "supplier-collector"}
}

func isCollector(service string) bool { return strings.HasSuffix(service, "-collector") }

func podServices() []string {
	return append(collectorNames(), "query-api", "storage-router")
}

// Faults lists every fault there is, by name.
func Faults() []Fault {
	pods, collectors := podServices(), collectorNames()
	all := append(slices.Clone(pods), "flink", "kafka", "postgres", "redis", "timescaledb")
	writers := append(slices.Clone(pods), "flink")
	only := func(alert string, services ...string) map[string]string {
		alerts := map[string]string{}
		for _, s := range services {
			alerts[s] = alert
		}
		return alerts
	}
	hanging := only("CollectorDown", collectors...)
	hanging["flink"] = "FlinkJobDown" // nothing is known of the job either
	// An hour of them is more than a month's budget of the storage layer.
	burning := []string{"ErrorBudgetBurnsFast", "ErrorBudgetBurnsSlowly"}
	flink, router, query := []string{"flink"}, []string{"storage-router"}, []string{"query-api"}
	return []Fault{
		{"api-timeouts", "a partner's API stops answering one request in twenty", collectors, "HighCollectorErrorRate", nil, nil},
		{"cache-cold", "the caches of the enrichment and of the query API have lost their content", []string{"flink", "query-api"}, "", nil, nil},
		{"cache-unreachable", "the cache does not answer: readiness fails, every lookup is a miss", pods, "", nil, nil},
		{"checkpoints-failing", "every checkpoint of the Flink job fails", flink, "FlinkCheckpointFailure", nil, nil},
		{"clock-skew", "the clocks of the service's log lines are ten minutes behind", writers, "", nil, nil},
		{"database-unreachable", "the databases refuse connections: readiness fails, writes and queries are errors", pods, "QueryAPIHighErrorRate", only("QueryAPIHighErrorRate", query...), nil},
		{"disk-filling", "the databases' disks fill up within minutes", router, "StorageCapacityLow", nil, nil},
		{"exporter-hanging", "the metrics endpoint accepts requests and never answers", all, "CollectorDown", hanging, nil},
		{"flink-job-down", "the Flink job has failed and is not restarted", flink, "FlinkJobDown", nil, nil},
		{"flink-jobmanager-gone", "the job manager's process is gone", flink, "FlinkJobDown", nil, nil},
		{"kafka-broker-down", "one of the three Kafka brokers is gone", []string{"kafka"}, "", nil, nil},
		{"kafka-unreachable", "Kafka does not answer: readiness fails, records wait and are then lost", pods, "KafkaProducerLag", only("KafkaProducerLag", collectors...), nil},
		{"log-flood", "the service writes fifty times as many log lines", writers, "", nil, nil},
		{"malformed-logs", "one log line in three is no JSON", writers, "", nil, nil},
		{"orphan-spans", "spans lose their parent on the way", writers, "", nil, nil},
		{"pod-gone", "all pods of the service are gone", pods, "CollectorDown", only("CollectorDown", collectors...), nil},
		{"pool-exhausted", "connections are never given back to the pools", router, "DatabaseConnectionPoolExhausted", nil, nil},
		{"producer-lag", "Kafka acknowledges records slowly", collectors, "KafkaProducerLag", nil, nil},
		{"query-errors", "one query in four is answered with an error", query, "QueryAPIHighErrorRate", nil, burning},
		{"rate-limiting", "a partner's API refuses one request in ten because of its rate limit", collectors, "HighCollectorErrorRate", nil, nil},
		{"schema-violations", "one event in twenty violates the schema", flink, "HighValidationFailureRate", nil, nil},
		{"slow-queries", "queries take a hundred times as long, and some time out", query, "QueryAPIHighErrorRate", nil, nil},
		{"slow-transformation", "the transformation of an event takes many seconds", flink, "ProcessingLatencyHigh", nil, nil},
		{"slow-writes", "the backends take writes slowly", router, "HighStorageWriteLatency", nil, nil},
	}
}

// faultState is what is set now.
type faultState struct {
	known  map[string]Fault
	active map[Active]time.Time // key without Until
}

func (f *faultState) init() {
	f.known, f.active = map[string]Fault{}, map[Active]time.Time{}
	for _, fault := range Faults() {
		f.known[fault.Name] = fault
	}
}

// on says whether a fault is set for a service.
func (f *faultState) on(name, service string) bool {
	if len(f.active) == 0 {
		return false
	}
	if _, ok := f.active[Active{Name: name, Service: service}]; ok {
		return true
	}
	_, ok := f.active[Active{Name: name}]
	return ok && slices.Contains(f.known[name].Services, service)
}

func (f *faultState) check(name, service string) error {
	fault, ok := f.known[name]
	if !ok {
		return fmt.Errorf("no fault %q: there are %s", name, strings.Join(slices.Sorted(maps.Keys(f.known)), ", "))
	}
	if service != "" && !slices.Contains(fault.Services, service) {
		return fmt.Errorf("fault %s cannot be set for %q: it is for %s", name, service, strings.Join(fault.Services, ", "))
	}
	return nil
}

// Set breaks something for a service (for all that it is about, where service is empty) until a time (zero: until
// Clear). Setting it again sets the new end.
func (w *World) Set(name, service string, until time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.faults.check(name, service); err != nil {
		return err
	}
	w.faults.active[Active{Name: name, Service: service}] = until
	w.comeAndGo()
	return nil
}

// Clear mends what Set broke; with an empty service, the fault for every service.
func (w *World) Clear(name, service string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.faults.check(name, service); err != nil {
		return err
	}
	for a := range w.faults.active {
		if a.Name == name && (service == "" || a.Service == service) {
			delete(w.faults.active, a)
		}
	}
	w.comeAndGo()
	return nil
}

// ActiveFaults lists what is set, by name and service.
func (w *World) ActiveFaults() []Active {
	w.mu.RLock()
	defer w.mu.RUnlock()
	out := []Active{}
	for a, until := range w.faults.active {
		a.Until = until
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b Active) int {
		return strings.Compare(a.Name+"\x00"+a.Service, b.Name+"\x00"+b.Service)
	})
	return out
}

// Broken says whether a fault is set for a service.
func (w *World) Broken(name, service string) bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.faults.on(name, service)
}

// expire ends the faults whose time has come.
func (w *World) expire() {
	ended := false
	for a, until := range w.faults.active {
		if !until.IsZero() && !w.now.Before(until) {
			delete(w.faults.active, a)
			ended = true
		}
	}
	if ended {
		w.comeAndGo()
	}
}
