package cluster

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// listParameters are those of the API's ListOptions (shardSelector, alpha, is not supported), and timeout, which limits
// how long an answer may take: client-go sends it beside timeoutSeconds, and no answer here takes long.
var listParameters = []string{
	"allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "pretty", "resourceVersion",
	"resourceVersionMatch", "sendInitialEvents", "timeout", "timeoutSeconds", "watch",
}

// filter is what of the cluster a request looks at.
type filter struct {
	namespace string
	labels    labels.Selector
	fields    fields.Selector
}

// collection serves list and watch.
func (s *Server) collection(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	if err := known(query, listParameters...); err != nil {
		return err
	}
	var opts internalversion.ListOptions
	if err := scheme.ParameterCodec.DecodeParameters(query, metav1.SchemeGroupVersion, &opts); err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	if errs := validation.ValidateListOptions(&opts, true); len(errs) > 0 {
		return apierrors.NewInvalid(schema.GroupKind{Group: metav1.GroupName, Kind: "ListOptions"}, "", errs)
	}
	f, err := newFilter(r.PathValue("namespace"), opts)
	if err != nil {
		return err
	}
	if opts.Watch {
		return s.watch(w, r, f, opts)
	}
	return s.list(w, f, opts)
}

func newFilter(namespace string, opts internalversion.ListOptions) (filter, error) {
	f := filter{namespace: namespace, labels: opts.LabelSelector, fields: opts.FieldSelector}
	if f.labels == nil {
		f.labels = labels.Everything()
	}
	if f.fields == nil {
		f.fields = fields.Everything()
	}
	known := podFields(&corev1.Pod{})
	for _, req := range f.fields.Requirements() {
		if !known.Has(req.Field) {
			return f, apierrors.NewBadRequest("field label not supported: " + req.Field)
		}
	}
	return f, nil
}

// podFields are the fields that Kubernetes lets clients select pods by.
func podFields(p *corev1.Pod) fields.Set {
	return fields.Set{
		"metadata.name":            p.Name,
		"metadata.namespace":       p.Namespace,
		"spec.nodeName":            p.Spec.NodeName,
		"spec.restartPolicy":       string(p.Spec.RestartPolicy),
		"spec.schedulerName":       p.Spec.SchedulerName,
		"spec.serviceAccountName":  p.Spec.ServiceAccountName,
		"spec.hostNetwork":         strconv.FormatBool(p.Spec.HostNetwork),
		"status.phase":             string(p.Status.Phase),
		"status.podIP":             p.Status.PodIP,
		"status.nominatedNodeName": p.Status.NominatedNodeName,
	}
}

func (f filter) matches(p *corev1.Pod) bool {
	return p != nil && (f.namespace == "" || p.Namespace == f.namespace) &&
		f.labels.Matches(labels.Set(p.Labels)) && f.fields.Matches(podFields(p))
}

func (f filter) apply(pods []*corev1.Pod) []*corev1.Pod {
	return slices.DeleteFunc(pods, func(p *corev1.Pod) bool { return !f.matches(p) })
}

// next is what a continue token holds: the version of the list and the key it goes on after.
type next struct {
	Version string `json:"v"`
	At      uint64 `json:"rv"`
	Start   string `json:"start"`
}

const continueVersion = "meta.k8s.io/v1"

func (s *Server) list(w http.ResponseWriter, f filter, opts internalversion.ListOptions) error {
	all, current := s.store.list()
	asked, set, err := parseVersion(opts.ResourceVersion)
	if err != nil {
		return err
	}
	var after string
	switch {
	case opts.Continue != "":
		if set && asked != 0 {
			return apierrors.NewBadRequest("specifying resource version is not allowed when using continue")
		}
		token, err := parseContinue(opts.Continue)
		if err != nil {
			return err
		}
		if token.At != current {
			return apierrors.NewResourceExpired("The provided continue parameter is too old to display a consistent list result. " +
				"You can start a new list without the continue parameter.")
		}
		after = token.Start
	case set && asked > current:
		return tooLarge(asked, current)
	case opts.ResourceVersionMatch == metav1.ResourceVersionMatchExact && asked != current,
		// Without a match rule, a limit makes an old version mean exactly that one.
		opts.ResourceVersionMatch == "" && opts.Limit > 0 && asked != 0 && asked != current:
		return apierrors.NewResourceExpired(fmt.Sprintf("The resourceVersion for the provided list is too old: %d (%d)", asked, current))
	}
	matching := f.apply(all)
	if after != "" {
		matching = slices.DeleteFunc(matching, func(p *corev1.Pod) bool { return key(p) <= after })
	}
	out := corev1.PodList{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"},
		ListMeta: metav1.ListMeta{ResourceVersion: strconv.FormatUint(current, 10)},
		Items:    []corev1.Pod{},
	}
	// As in Kubernetes, version 0 is answered from a cache, which knows no chunks.
	if limit := int(opts.Limit); limit > 0 && limit < len(matching) && (!set || asked != 0) {
		rest := int64(len(matching) - limit)
		matching = matching[:limit]
		out.Continue = formatContinue(next{Version: continueVersion, At: current, Start: key(matching[limit-1])})
		if f.labels.Empty() && f.fields.Empty() {
			out.RemainingItemCount = &rest
		}
	}
	for _, p := range matching {
		out.Items = append(out.Items, *p)
	}
	return writeJSON(w, http.StatusOK, &out)
}

func formatContinue(n next) string {
	data, _ := json.Marshal(n) // strings and a number: cannot fail
	return base64.RawURLEncoding.EncodeToString(data)
}

func parseContinue(text string) (next, error) {
	var n next
	data, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if err == nil {
		err = json.Unmarshal(data, &n)
	}
	if err != nil || n.Version != continueVersion || n.Start == "" {
		return n, apierrors.NewBadRequest("continue key is not valid")
	}
	return n, nil
}
