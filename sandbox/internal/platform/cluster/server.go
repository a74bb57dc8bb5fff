// Package cluster is the Kubernetes API server of the simulated platform: the part of it that service discovery uses.
// It serves pods, read-only, with list and watch as client-go and so Prometheus' kubernetes_sd_configs use them:
// resource versions, selectors, chunks, bookmarks, streaming lists (sendInitialEvents) and 410 Gone for versions that
// it no longer remembers. It answers in JSON. What it does not serve it refuses with the Status objects of Kubernetes.
package cluster

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
)

// Config says how a Server behaves; the zero value behaves as an API server usually does.
type Config struct {
	// Now is the clock; time.Now where it is nil.
	Now func() time.Time
	// BookmarkEvery is the time between bookmarks of a watch that asked for them; 1 minute where it is 0.
	BookmarkEvery time.Duration
	// History is the number of changes that are remembered for watches; 1000 where it is 0.
	History int
}

// Server serves the Kubernetes API over the pods it was last given.
type Server struct {
	store    *store
	bookmark time.Duration
	log      *slog.Logger
	mux      *http.ServeMux
}

var pods = schema.GroupResource{Resource: "pods"}

// New makes a Server without pods.
func New(cfg Config, log *slog.Logger) *Server {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Server{
		store:    newStore(cfg.Now, cmp.Or(cfg.History, 1000)),
		bookmark: cmp.Or(cfg.BookmarkEvery, time.Minute),
		log:      log,
		mux:      http.NewServeMux(),
	}
	s.route("/api", s.object(&metav1.APIVersions{
		TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"},
		ServerAddressByClientCIDRs: []metav1.ServerAddressByClientCIDR{},
	}))
	s.route("/apis", s.object(&metav1.APIGroupList{
		TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}, Groups: []metav1.APIGroup{},
	}))
	s.route("/api/v1", s.object(&metav1.APIResourceList{
		TypeMeta: metav1.TypeMeta{Kind: "APIResourceList"}, GroupVersion: "v1",
		APIResources: []metav1.APIResource{{
			Name: "pods", SingularName: "pod", Namespaced: true, Kind: "Pod", ShortNames: []string{"po"},
			Verbs: metav1.Verbs{"get", "list", "watch"}, Categories: []string{"all"},
		}},
	}))
	s.route("/version", s.object(&version.Info{
		Major: "1", Minor: "37", GitVersion: "v1.37.2+sandbox", GitTreeState: "clean", Platform: "linux/amd64",
	}))
	for _, path := range []string{"/healthz", "/livez", "/readyz"} {
		s.mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	}
	s.route("/api/v1/pods", s.collection)
	s.route("/api/v1/namespaces/{namespace}/pods", s.collection)
	s.route("/api/v1/namespaces/{namespace}/pods/{name}", s.one)
	s.mux.HandleFunc("/", s.unknown)
	return s
}

// SetPods makes the given pods those of the cluster. What changed reaches the watchers as ADDED, MODIFIED and DELETED
// events with rising resource versions.
func (s *Server) SetPods(pods []Pod) { s.store.set(pods) }

// ServeHTTP serves the API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// route serves a path that can be read: other methods and clients that do not take JSON are refused.
func (s *Server) route(path string, serve func(http.ResponseWriter, *http.Request) error) {
	s.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		err := readable(r)
		if err == nil {
			err = serve(w, r)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
}

func readable(r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return apierrors.NewMethodNotSupported(pods, strings.ToLower(r.Method))
	}
	if !acceptsJSON(r.Header.Values("Accept")) {
		return &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusNotAcceptable, Reason: metav1.StatusReasonNotAcceptable,
			Message: "only the following media types are accepted: application/json",
		}}
	}
	return nil
}

// acceptsJSON says whether an Accept header can be answered with plain JSON. client-go asks for Kubernetes' protobuf
// first and for JSON or anything after it; kubectl asks for JSON tables first ("as=Table"), which are not served.
func acceptsJSON(accept []string) bool {
	all := strings.Join(accept, ",")
	if strings.TrimSpace(all) == "" {
		return true
	}
	for _, clause := range strings.Split(all, ",") {
		media, params, err := mime.ParseMediaType(clause)
		if err != nil || params["q"] == "0" || params["as"] != "" {
			continue
		}
		if slices.Contains([]string{"application/json", "application/*", "*/*"}, media) {
			return true
		}
	}
	return false
}

func (s *Server) object(value any) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, _ *http.Request) error {
		return writeJSON(w, http.StatusOK, value)
	}
}

func (s *Server) one(w http.ResponseWriter, r *http.Request) error {
	if err := known(r.URL.Query(), "resourceVersion", "pretty", "timeout"); err != nil {
		return err
	}
	pod, ok := s.store.get(r.PathValue("namespace"), r.PathValue("name"))
	if !ok {
		return apierrors.NewNotFound(pods, r.PathValue("name"))
	}
	if _, _, err := parseVersion(r.URL.Query().Get("resourceVersion")); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, typed(pod))
}

// typed is the pod with its kind, as single objects and watch events carry it and items of a list do not.
func typed(pod *corev1.Pod) *corev1.Pod {
	shown := *pod
	shown.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	return &shown
}

func (s *Server) unknown(w http.ResponseWriter, r *http.Request) {
	s.fail(w, r, &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound,
		Message: "the server could not find the requested resource (this API server serves pods only: not " + r.URL.Path + ")",
		Details: &metav1.StatusDetails{},
	}})
}

// known refuses parameters that would be ignored silently.
func known(query url.Values, names ...string) error {
	for name := range query {
		if !slices.Contains(names, name) {
			return apierrors.NewBadRequest(fmt.Sprintf("query parameter %q is not supported by this API server (supported: %s)", name, strings.Join(names, ", ")))
		}
	}
	return nil
}

// parseVersion reads a resourceVersion; set is false where there is none.
func parseVersion(text string) (v uint64, set bool, err error) {
	if text == "" {
		return 0, false, nil
	}
	v, err = strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, false, apierrors.NewBadRequest(fmt.Sprintf("invalid resource version %q: %v", text, errors.Unwrap(err)))
	}
	return v, true, nil
}

// tooLarge is the error for a version that is still to come, in the form that client-go recognises.
func tooLarge(asked, current uint64) error {
	err := apierrors.NewTimeoutError(fmt.Sprintf("Too large resource version: %d, current: %d", asked, current), 1)
	err.ErrStatus.Details.Causes = []metav1.StatusCause{{
		Type: metav1.CauseTypeResourceVersionTooLarge, Message: "Too large resource version",
	}}
	return err
}

// fail answers with a Status object.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := statusOf(err)
	s.log.Debug("kubernetes API refused a request", "method", r.Method, "path", r.URL.Path, "code", status.Code, "message", status.Message)
	if status.Details != nil && status.Details.RetryAfterSeconds > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(status.Details.RetryAfterSeconds)))
	}
	if err := writeJSON(w, int(status.Code), status); err != nil {
		s.log.Debug("kubernetes API could not answer", "path", r.URL.Path, "error", err)
	}
}

func statusOf(err error) *metav1.Status {
	var se *apierrors.StatusError
	if !errors.As(err, &se) {
		se = apierrors.NewInternalError(err)
	}
	status := se.ErrStatus
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	return &status
}

func writeJSON(w http.ResponseWriter, code int, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %T: %w", value, err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache, private")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n')) // the client has gone: there is nobody to tell
	return nil
}
