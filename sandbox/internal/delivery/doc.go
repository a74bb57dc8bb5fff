// Package delivery holds the test that nothing is lost between Kafka and the log store: broker, runner and store are
// processes of their own, killed at random while events flow.
package delivery
