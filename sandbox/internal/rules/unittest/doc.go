// Package unittest evaluates promtool's rule unit tests in this process, with Prometheus' own rule groups, query
// engine and comparison rules. What promtool does not tell is recorded on the way: the state of every alert at every
// moment, so that coverage, unmentioned alerts and mutations can be judged.
//
// The verdict of a file is the one that `promtool test rules` gives; the package's tests hold the two against each
// other. What differs is the storage (in memory instead of on disk) and the order of groups that the test file leaves
// open (the order of the rule files instead of a random one).
package unittest
