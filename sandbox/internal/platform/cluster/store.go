package cluster

import (
	"cmp"
	"slices"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// change is one step of the cluster's history. Objects in it are never modified again.
type change struct {
	version uint64
	kind    watch.EventType
	// object is the pod after the change; for a deletion its last state, at the version of the deletion.
	object *corev1.Pod
	// before is the pod before it; nil for an addition. A watcher with a selector needs it to see a pod leave or join.
	before *corev1.Pod
}

// store is the state of the cluster and its recent history.
type store struct {
	mu      sync.Mutex
	version uint64
	pods    map[string]*corev1.Pod
	// history holds the newest changes, oldest first; forgotten is the version of the newest change that is no longer
	// in it (at first: the version that the cluster started with).
	history   []change
	forgotten uint64
	keep      int
	now       func() time.Time
	// changed is closed and replaced whenever version rises.
	changed chan struct{}
}

// newStore starts at a version made of the time: versions keep rising when the server is restarted, so that a client
// which comes back with a version of the server's former life is told that it is too old.
func newStore(now func() time.Time, keep int) *store {
	version := uint64(now().UnixMilli())
	return &store{
		version:   version,
		forgotten: version,
		pods:      map[string]*corev1.Pod{},
		keep:      keep,
		now:       now,
		changed:   make(chan struct{}),
	}
}

// key orders as the API lists: by namespace, then by name.
func key(p *corev1.Pod) string { return p.Namespace + "/" + p.Name }

// set makes pods the state, noting what was added, modified and deleted in the order of their keys.
func (s *store) set(pods []Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := make(map[string]*corev1.Pod, len(pods))
	keys := make([]string, 0, len(pods)+len(s.pods))
	for _, p := range pods {
		o := p.object()
		wanted[key(o)] = o
		keys = append(keys, key(o))
	}
	for k := range s.pods {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	before := s.version
	for _, k := range slices.Compact(keys) {
		s.apply(k, wanted[k])
	}
	if s.version == before {
		return
	}
	if surplus := len(s.history) - s.keep; surplus > 0 {
		s.forgotten = s.history[surplus-1].version
		s.history = slices.Clone(s.history[surplus:])
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *store) apply(k string, next *corev1.Pod) {
	old := s.pods[k]
	switch {
	case next == nil:
		gone := old.DeepCopy()
		s.record(watch.Deleted, gone, old)
		delete(s.pods, k)
	case old == nil:
		s.record(watch.Added, next, nil)
		s.pods[k] = next
	case old.UID != next.UID:
		// Another pod of the same name: in a cluster the first one goes before the second comes.
		s.apply(k, nil)
		s.apply(k, next)
	default:
		next.ResourceVersion = old.ResourceVersion
		s.transitions(old, next)
		if equality.Semantic.DeepEqual(old, next) {
			return
		}
		s.record(watch.Modified, next, old)
		s.pods[k] = next
	}
}

func (s *store) record(kind watch.EventType, object, before *corev1.Pod) {
	s.version++
	object.ResourceVersion = strconv.FormatUint(s.version, 10)
	s.history = append(s.history, change{version: s.version, kind: kind, object: object, before: before})
}

// transitions gives a condition that changed the present time, and leaves the time of the others as it was.
func (s *store) transitions(old, next *corev1.Pod) {
	now := metav1.NewTime(s.now().UTC().Truncate(time.Second))
	for i, c := range next.Status.Conditions {
		j := slices.IndexFunc(old.Status.Conditions, func(o corev1.PodCondition) bool { return o.Type == c.Type })
		if j < 0 {
			continue
		}
		at := now
		if old.Status.Conditions[j].Status == c.Status {
			at = old.Status.Conditions[j].LastTransitionTime
		}
		next.Status.Conditions[i].LastTransitionTime = at
	}
}

// list is the current state, ordered, and its version.
func (s *store) list() ([]*corev1.Pod, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pods := make([]*corev1.Pod, 0, len(s.pods))
	for _, p := range s.pods {
		pods = append(pods, p)
	}
	slices.SortFunc(pods, func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return pods, s.version
}

func (s *store) get(namespace, name string) (*corev1.Pod, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.pods[namespace+"/"+name]
	return p, ok
}

// since returns the changes after version, the version they lead to, and a channel that is closed at the next change.
// It reports false where the history no longer reaches back to version.
func (s *store) since(version uint64) (changes []change, now uint64, changed <-chan struct{}, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if version < s.forgotten {
		return nil, s.version, nil, false
	}
	i, _ := slices.BinarySearchFunc(s.history, version+1, func(c change, v uint64) int { return cmp.Compare(c.version, v) })
	return s.history[i:len(s.history):len(s.history)], s.version, s.changed, true
}

// oldest is the oldest version that a watch can start from.
func (s *store) oldest() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.forgotten
}
