package cluster

import (
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Pod is a pod of one container, running or finished, as much of it as service discovery and people look at.
type Pod struct {
	Namespace string
	Name      string
	// App names the container and the pod's owner.
	App   string
	Image string
	IP    string
	// Node is where the pod runs, HostIP that node's address.
	Node   string
	HostIP string
	// Port is the container's TCP port named http; AdminPort is another one, named admin, or 0.
	Port, AdminPort int32
	Labels          map[string]string
	Annotations     map[string]string
	Started         time.Time
	// Finished is when the container ended well, for good: the pod is a job's. It is zero while the container runs.
	Finished time.Time
	// Ready is what the readiness probe last found.
	Ready bool
	// Liveness and Readiness are shown in the pod's spec; the API server does not run them.
	Liveness  *corev1.Probe
	Readiness *corev1.Probe
}

// podSpace makes pod UIDs a function of namespace, name and start: the same world has the same UIDs.
var podSpace = uuid.MustParse("6b9f2b0e-3f1d-4f6e-9a52-1f4f0c1b7d11")

func uid(parts ...string) types.UID {
	var all []byte
	for _, p := range parts {
		all = append(append(all, p...), 0)
	}
	return types.UID(uuid.NewSHA1(podSpace, all).String())
}

// object is the pod as the API shows it, without a resource version.
func (p Pod) object() *corev1.Pod {
	started := metav1.NewTime(p.Started.UTC().Truncate(time.Second))
	yes, no, running := true, false, p.Finished.IsZero()
	owner, restart, phase := metav1.OwnerReference{APIVersion: "apps/v1", Kind: "ReplicaSet"}, corev1.RestartPolicyAlways, corev1.PodRunning
	state := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: started}}
	ready, reason := corev1.ConditionTrue, ""
	switch {
	case !running:
		ready, reason = corev1.ConditionFalse, "PodCompleted"
		owner, restart, phase = metav1.OwnerReference{APIVersion: "batch/v1", Kind: "Job"}, corev1.RestartPolicyNever, corev1.PodSucceeded
		state = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			Reason: "Completed", StartedAt: started, FinishedAt: metav1.NewTime(p.Finished.UTC().Truncate(time.Second)),
		}}
	case !p.Ready:
		ready, reason = corev1.ConditionFalse, "ContainersNotReady"
	}
	owner.Name, owner.UID, owner.Controller, owner.BlockOwnerDeletion = p.App, uid(p.Namespace, p.App), &yes, &yes
	condition := func(kind corev1.PodConditionType, status corev1.ConditionStatus, reason string) corev1.PodCondition {
		return corev1.PodCondition{Type: kind, Status: status, Reason: reason, LastTransitionTime: started}
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name:              p.Name,
			GenerateName:      p.App + "-",
			Namespace:         p.Namespace,
			UID:               uid(p.Namespace, p.Name, started.UTC().Format(time.RFC3339)),
			CreationTimestamp: started,
			Labels:            p.Labels,
			Annotations:       p.Annotations,
			OwnerReferences:   []metav1.OwnerReference{owner},
		},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{{
				Name:                     p.App,
				Image:                    p.Image,
				Ports:                    p.ports(),
				LivenessProbe:            p.Liveness,
				ReadinessProbe:           p.Readiness,
				TerminationMessagePath:   corev1.TerminationMessagePathDefault,
				TerminationMessagePolicy: corev1.TerminationMessageReadFile,
				ImagePullPolicy:          corev1.PullIfNotPresent,
			}},
			RestartPolicy:      restart,
			DNSPolicy:          corev1.DNSClusterFirst,
			ServiceAccountName: "default",
			NodeName:           p.Node,
			SchedulerName:      corev1.DefaultSchedulerName,
			EnableServiceLinks: &no,
		},
		Status: corev1.PodStatus{
			Phase: phase,
			Conditions: []corev1.PodCondition{
				condition(corev1.PodInitialized, corev1.ConditionTrue, initialized(running)),
				condition(corev1.PodReady, ready, reason),
				condition(corev1.ContainersReady, ready, reason),
				condition(corev1.PodScheduled, corev1.ConditionTrue, ""),
			},
			HostIP:    p.HostIP,
			HostIPs:   hostIPs(p.HostIP),
			PodIP:     p.IP,
			PodIPs:    []corev1.PodIP{{IP: p.IP}},
			StartTime: &started,
			ContainerStatuses: []corev1.ContainerStatus{{
				Name: p.App, Image: p.Image, Ready: p.Ready && running, Started: &running, State: state,
			}},
			QOSClass: corev1.PodQOSBestEffort,
		},
	}
}

func initialized(running bool) string {
	if running {
		return ""
	}
	return "PodCompleted"
}

func (p Pod) ports() []corev1.ContainerPort {
	all := []corev1.ContainerPort{{Name: "http", ContainerPort: p.Port, Protocol: corev1.ProtocolTCP}}
	if p.AdminPort != 0 {
		all = append(all, corev1.ContainerPort{Name: "admin", ContainerPort: p.AdminPort, Protocol: corev1.ProtocolTCP})
	}
	return all
}

func hostIPs(ip string) []corev1.HostIP {
	if ip == "" {
		return nil
	}
	return []corev1.HostIP{{IP: ip}}
}
