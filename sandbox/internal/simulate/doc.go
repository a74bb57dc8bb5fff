// Package simulate runs the simulated platform and the stack's monitoring of it on a clock of its own: hours in seconds.
// The platform is package world; targets come out of the stack's prometheus.yml with Prometheus' own relabelling; rules
// are loaded and evaluated by Prometheus' own rule manager and engine; alerts go through Alertmanager's own routing tree,
// inhibition, deduplication, templates and integrations to the stand-ins of Slack and PagerDuty. What has no clock but
// the machine's is written anew on what is documented, and held against the originals by tests: the order of scrapes and
// evaluations, the storage, and when a group of alerts is flushed.
//
//	s, err := simulate.New(ctx, simulate.Config{Stack: st, Start: start})
//	defer s.Close()
//	s.Advance(ctx, start.Add(10*time.Minute))
//	s.World.Set("api-timeouts", "", time.Time{})
//	s.Advance(ctx, start.Add(time.Hour))
//	s.Transitions, s.Notifications(), s.Query(ctx, expr, at)
package simulate
