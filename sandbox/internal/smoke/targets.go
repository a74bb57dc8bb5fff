package smoke

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// target is one scrape target as it should be, or as Prometheus has it.
type target struct {
	labels map[string]string
	url    string
	up     bool
	// waiting is for its first scrape.
	waiting bool
	// fault is what Prometheus says of a target that is not up.
	fault string
}

func (t target) instance() string { return t.labels["instance"] }

// targetChecks: every job of the checked-in configuration has its targets, and Prometheus has no others.
func targetChecks(e *env) []*check {
	cfg, err := e.promConfig()
	if err != nil {
		return []*check{broken("prometheus: what to scrape is known", "", err)}
	}
	needs := []string{"prometheus", "platform"}
	var all []*check
	for _, job := range cfg.jobs {
		all = append(all, &check{
			name: "prometheus scrapes " + job.Name, needs: needs, file: cfg.file, line: job.line,
			assert: func(ctx context.Context) (string, error) { return e.jobIsScraped(ctx, job) },
		})
	}
	return append(all,
		&check{
			name: "prometheus has the checked-in jobs and no other", needs: []string{"prometheus"}, file: cfg.file, line: lineWith(cfg.file, "scrape_configs:"),
			assert: func(ctx context.Context) (string, error) { return e.noOtherJob(ctx, cfg) },
		},
		&check{
			name: "prometheus leaves out no pod that asks to be scraped", needs: needs, file: cfg.file, line: lineWith(cfg.file, "scrape_configs:"),
			assert: func(ctx context.Context) (string, error) { return e.noPodLeftOut(ctx, cfg) },
		},
		&check{
			name: "prometheus leaves out no host of the cluster", needs: needs, file: cfg.file, line: lineWith(cfg.file, "scrape_configs:"),
			assert: e.noHostLeftOut,
		},
		&check{
			name: "prometheus stores samples of every target", needs: needs, file: cfg.file, line: lineWith(cfg.file, "scrape_configs:"),
			assert: func(ctx context.Context) (string, error) { return e.samplesStored(ctx) },
		})
}

// lookback is how long Prometheus takes a sample for a series' value.
const lookback = 5 * time.Minute

// jobIsScraped compares the job's targets with those that it should have.
func (e *env) jobIsScraped(ctx context.Context, job promJob) (string, error) {
	if job.interval > lookback {
		return "", final(&mismatch{
			fmt.Sprintf("a scrape_interval of at most %s", lookback),
			fmt.Sprintf("%s: Prometheus takes no sample for a value that is older than %s, so that rules and panels see nothing between two scrapes", job.interval, lookback),
			"scrape_interval of the job, or that of global",
		})
	}
	want, err := e.expectedTargets(ctx, job)
	if err != nil {
		return "", err
	}
	pools, err := e.activeTargets(ctx)
	if err != nil {
		return "", err
	}
	pending, err := e.pending(ctx)
	if err != nil {
		return "", err
	}
	read := 0
	have := map[string]target{}
	for _, t := range pools[job.Name] {
		have[t.instance()] = t
	}
	var faults []string
	for _, w := range want {
		h, ok := have[w.instance()]
		delete(have, w.instance())
		if !ok {
			faults = append(faults, w.instance()+" is no target")
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(w.labels)) {
			if h.labels[name] != w.labels[name] {
				faults = append(faults, fmt.Sprintf("%s has %s=%q, not %q", w.instance(), name, h.labels[name], w.labels[name]))
			}
		}
		if pending[[2]string{job.Name, w.instance()}] != nil {
			read++
		} else if !h.up {
			faults = append(faults, fmt.Sprintf("%s is not up: %s", w.instance(), h.fault))
		}
	}
	for _, other := range slices.Sorted(maps.Keys(have)) {
		faults = append(faults, other+" is a target and should not be")
	}
	if len(want) == 0 {
		faults = append(faults, "the cluster has no such pod")
	}
	if len(faults) > 0 {
		return "", &mismatch{
			expected: fmt.Sprintf("%d targets up: %s", len(want), instances(want)),
			seen:     strings.Join(faults, "; "),
			look:     e.addr.URL("prometheus", "http") + "/api/v1/targets?scrapePool=" + job.Name,
		}
	}
	return fmt.Sprintf("%d targets up", len(want)-read) + pendingNote(read), nil
}

func instances(targets []target) string {
	names := make([]string, len(targets))
	for i, t := range targets {
		names[i] = t.instance()
	}
	return strings.Join(names, ", ")
}

// expectedTargets are the static targets of the file and the pods that ask to be scraped.
func (e *env) expectedTargets(ctx context.Context, job promJob) ([]target, error) {
	var want []target
	for _, group := range job.Static {
		for _, address := range group.Targets {
			labels := map[string]string{"job": job.Name, "instance": address}
			maps.Copy(labels, group.Labels)
			want = append(want, target{labels: labels})
		}
	}
	namespaces, discovers := job.namespaces()
	if !discovers {
		return want, nil
	}
	pods, err := e.pods(ctx, namespaces)
	if err != nil {
		return nil, err
	}
	for _, pod := range pods {
		if pod.Labels["app"] == job.Name && asksForScraping(pod) {
			want = append(want, target{labels: map[string]string{
				"job": job.Name, "instance": net.JoinHostPort(pod.Status.PodIP, pod.Annotations["prometheus.io/port"]),
				"namespace": pod.Namespace, "pod": pod.Name, "service": pod.Labels["app"],
			}})
		}
	}
	return want, nil
}

func asksForScraping(pod corev1.Pod) bool {
	return pod.Annotations["prometheus.io/scrape"] == "true" && !done(pod) && pod.Status.PodIP != ""
}

// done says that a pod's containers have ended for good.
func done(pod corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// pods are the pods of the namespaces; of all of them, where none is named.
func (e *env) pods(ctx context.Context, namespaces []string) ([]corev1.Pod, error) {
	paths := []string{"/api/v1/pods"}
	if len(namespaces) > 0 {
		paths = nil
		for _, ns := range namespaces {
			paths = append(paths, "/api/v1/namespaces/"+ns+"/pods")
		}
	}
	var all []corev1.Pod
	for _, path := range paths {
		var list corev1.PodList
		if err := e.getJSON(ctx, e.addr.URL("platform", "kubernetes")+path, &list); err != nil {
			return nil, err
		}
		all = append(all, list.Items...)
	}
	return all, nil
}

// activeTargets are Prometheus' targets by job.
func (e *env) activeTargets(ctx context.Context) (map[string][]target, error) {
	var data struct {
		ActiveTargets []struct {
			Labels     map[string]string `json:"labels"`
			ScrapePool string            `json:"scrapePool"`
			ScrapeURL  string            `json:"scrapeUrl"`
			LastError  string            `json:"lastError"`
			Health     string            `json:"health"`
		} `json:"activeTargets"`
	}
	if err := e.prometheus(ctx, "/api/v1/targets?state=active", &data); err != nil {
		return nil, err
	}
	pools := map[string][]target{}
	for _, t := range data.ActiveTargets {
		fault := t.Health
		switch {
		case t.LastError != "":
			fault = t.ScrapeURL + ": " + t.LastError
		case t.Health == "unknown":
			fault = "not scraped yet"
		}
		pools[t.ScrapePool] = append(pools[t.ScrapePool], target{
			labels: t.Labels, url: t.ScrapeURL, fault: fault,
			up: t.Health == "up" && t.LastError == "", waiting: t.Health == "unknown" && t.LastError == "",
		})
	}
	return pools, nil
}

func (e *env) noOtherJob(ctx context.Context, cfg *promConfig) (string, error) {
	var data struct {
		ScrapePools []string `json:"scrapePools"`
	}
	if err := e.prometheus(ctx, "/api/v1/scrape_pools", &data); err != nil {
		return "", err
	}
	var want []string
	for _, job := range cfg.jobs {
		want = append(want, job.Name)
	}
	slices.Sort(want)
	slices.Sort(data.ScrapePools)
	if !slices.Equal(want, data.ScrapePools) {
		return "", &mismatch{
			expected: strings.Join(want, ", "), seen: strings.Join(data.ScrapePools, ", "),
			look: e.addr.URL("prometheus", "http") + "/api/v1/status/config: is the running file the checked-in one?",
		}
	}
	return fmt.Sprintf("%d jobs", len(want)), nil
}

// noPodLeftOut is about the other direction than the checks of jobs: pods that no job claims.
func (e *env) noPodLeftOut(ctx context.Context, cfg *promConfig) (string, error) {
	var namespaces []string
	for _, job := range cfg.jobs {
		names, _ := job.namespaces()
		for _, name := range names {
			if !slices.Contains(namespaces, name) {
				namespaces = append(namespaces, name)
			}
		}
	}
	pods, err := e.pods(ctx, namespaces)
	if err != nil {
		return "", err
	}
	pools, err := e.activeTargets(ctx)
	if err != nil {
		return "", err
	}
	scraped := map[string]int{}
	for _, targets := range pools {
		for _, t := range targets {
			scraped[t.labels["namespace"]+"/"+t.labels["pod"]]++
		}
	}
	asking, faults := 0, []string(nil)
	for _, pod := range pods {
		if !asksForScraping(pod) {
			continue
		}
		asking++
		if n := scraped[pod.Namespace+"/"+pod.Name]; n != 1 {
			faults = append(faults, fmt.Sprintf("pod %s (app %s) is scraped by %d jobs", pod.Name, pod.Labels["app"], n))
		}
	}
	if asking == 0 {
		faults = append(faults, "the cluster has no pod that asks to be scraped")
	}
	if len(faults) > 0 {
		return "", &mismatch{
			expected: "each of the cluster's pods with prometheus.io/scrape=true is scraped by one job",
			seen:     strings.Join(faults, "; "),
			look:     e.addr.URL("prometheus", "http") + "/api/v1/targets?state=dropped",
		}
	}
	return fmt.Sprintf("%d pods", asking), nil
}

// samplesStored asks the database, not the scraper.
func (e *env) samplesStored(ctx context.Context) (string, error) {
	pools, err := e.activeTargets(ctx)
	if err != nil {
		return "", err
	}
	series, err := e.query(ctx, "scrape_samples_scraped")
	if err != nil {
		return "", err
	}
	pending, err := e.pending(ctx)
	if err != nil {
		return "", err
	}
	samples := map[[2]string]float64{}
	for _, s := range series {
		samples[[2]string{s.labels["job"], s.labels["instance"]}] = s.value
	}
	for t, p := range pending {
		samples[t] = float64(len(p.series))
	}
	var empty []string
	var targets int
	var total float64
	for job, list := range pools {
		for _, t := range list {
			targets++
			n := samples[[2]string{job, t.instance()}]
			total += n
			if n == 0 {
				empty = append(empty, job+" "+t.instance())
			}
		}
	}
	slices.Sort(empty)
	if targets == 0 || len(empty) > 0 {
		return "", &mismatch{
			expected: "scrape_samples_scraped > 0 for each target",
			seen:     fmt.Sprintf("of %d targets, %d have none: %s", targets, len(empty), strings.Join(empty, ", ")),
			look:     e.addr.URL("prometheus", "http") + "/api/v1/query?query=scrape_samples_scraped",
		}
	}
	return fmt.Sprintf("%.0f samples a scrape, %d targets", total, targets) + pendingNote(len(pending)), nil
}
