package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// defaultWatchTimeout is the API server's --min-request-timeout: how long a watch lasts that does not say.
const defaultWatchTimeout = 30 * time.Minute

// frame is one event on the wire.
type frame struct {
	Type   watch.EventType `json:"type"`
	Object any             `json:"object"`
}

// watcher writes one watch's events.
type watcher struct {
	filter    filter
	bookmarks bool
	// at is the version that the client has seen everything up to.
	at  uint64
	enc *json.Encoder
	out *http.ResponseController
}

func (s *Server) watch(w http.ResponseWriter, r *http.Request, f filter, opts internalversion.ListOptions) error {
	asked, set, err := parseVersion(opts.ResourceVersion)
	if err != nil {
		return err
	}
	if opts.Continue != "" || opts.Limit != 0 {
		// Kubernetes ignores them here; a client that sends them expects what it will not get.
		return apierrors.NewBadRequest("limit and continue are not supported on watch")
	}
	// Without a version, or with 0, a watch begins with the state, unless the client says otherwise.
	initial := !set || asked == 0
	if opts.SendInitialEvents != nil {
		initial = *opts.SendInitialEvents
	}
	state, current := s.store.list()
	if initial && asked > current {
		return tooLarge(asked, current)
	}
	timeout := defaultWatchTimeout
	if opts.TimeoutSeconds != nil && *opts.TimeoutSeconds > 0 {
		timeout = time.Duration(*opts.TimeoutSeconds) * time.Second
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()

	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache, private")
	w.WriteHeader(http.StatusOK)
	out := &watcher{filter: f, bookmarks: opts.AllowWatchBookmarks, at: asked, enc: json.NewEncoder(w), out: http.NewResponseController(w)}
	if initial || !set || asked == 0 {
		out.at = current
	}
	if initial {
		streaming := opts.SendInitialEvents != nil && opts.AllowWatchBookmarks
		if err := out.initial(state, streaming); err != nil {
			return nil
		}
	}
	if err := s.follow(ctx, out); err != nil {
		s.log.Debug("kubernetes watch ended", "path", r.URL.Path, "error", err)
	}
	return nil // the answer has begun: an error was sent as an event, or there is nobody to send it to
}

// initial sends the state, and for a streaming list the bookmark that ends it.
func (o *watcher) initial(state []*corev1.Pod, streaming bool) error {
	for _, p := range o.filter.apply(state) {
		if err := o.send(watch.Added, typed(p)); err != nil {
			return err
		}
	}
	if streaming {
		if err := o.bookmark(map[string]string{metav1.InitialEventsAnnotationKey: "true"}); err != nil {
			return err
		}
	}
	return o.out.Flush()
}

// follow sends changes until the watch's time is over or the client goes. A client that asked for bookmarks gets one
// regularly and one at the end, so that it can come back with a version that is still remembered.
func (s *Server) follow(ctx context.Context, o *watcher) error {
	ticks := time.NewTicker(s.bookmark)
	defer ticks.Stop()
	for {
		changes, now, changed, ok := s.store.since(o.at)
		if !ok {
			expired := apierrors.NewResourceExpired(fmt.Sprintf("too old resource version: %d (%d)", o.at, s.store.oldest()))
			return o.flushed(o.send(watch.Error, statusOf(expired)))
		}
		for _, c := range changes {
			if err := o.change(c); err != nil {
				return err
			}
		}
		// A version from the future stays where it is: the client has seen, or claims to have seen, more.
		o.at = max(o.at, now)
		if err := o.flushed(nil); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return o.flushed(o.bookmark(nil))
		case <-changed:
		case <-ticks.C:
			if err := o.flushed(o.bookmark(nil)); err != nil {
				return err
			}
		}
	}
}

// change sends what a change is to this watcher: a pod that comes to match its selectors is added, one that no longer
// does is deleted.
func (o *watcher) change(c change) error {
	was, is := o.filter.matches(c.before), c.kind != watch.Deleted && o.filter.matches(c.object)
	switch {
	case was && is:
		return o.send(watch.Modified, typed(c.object))
	case is:
		return o.send(watch.Added, typed(c.object))
	case was:
		gone := typed(c.before)
		gone.ResourceVersion = strconv.FormatUint(c.version, 10)
		return o.send(watch.Deleted, gone)
	}
	return nil
}

func (o *watcher) bookmark(annotations map[string]string) error {
	if !o.bookmarks {
		return nil
	}
	return o.send(watch.Bookmark, &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{ResourceVersion: strconv.FormatUint(o.at, 10), Annotations: annotations},
	})
}

func (o *watcher) send(kind watch.EventType, object any) error {
	return o.enc.Encode(frame{Type: kind, Object: object})
}

func (o *watcher) flushed(err error) error {
	if err != nil {
		return err
	}
	return o.out.Flush()
}
