package kafka

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// sessionGrace is what a member has beyond its session before it leaves: kfake ends most sessions by itself, and in time.
const sessionGrace = 2 * time.Second

// sessions ends those that kfake forgets. A member whose connection breaks while the group waits for others to join may
// stay in it for ever, and nobody reads the partitions that it is given: kfake starts no session for a member whom it
// cannot answer. Kafka does. So members are heard here, too, and who is silent for too long leaves.
type sessions struct {
	log *slog.Logger

	mu    sync.Mutex
	heard map[member]session
}

type member struct{ group, id string }

// session is when a member was last heard, and how long it may be silent.
type session struct {
	at   time.Time
	long time.Duration
}

func newSessions(log *slog.Logger) *sessions {
	return &sessions{log: log, heard: map[member]session{}}
}

// observe has the cluster tell of every sign of life; it answers none of them.
func (s *sessions) observe(cluster *kfake.Cluster) {
	for _, key := range []kmsg.Key{kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat, kmsg.OffsetCommit} {
		cluster.ControlKey(key.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
			s.hear(req, time.Now())
			return nil, nil, false
		})
	}
}

func (s *sessions) hear(req kmsg.Request, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r := req.(type) {
	case *kmsg.JoinGroupRequest:
		// Who waits for the others to join sends no heartbeats.
		s.heard[member{r.Group, r.MemberID}] = session{now, time.Duration(max(r.SessionTimeoutMillis, r.RebalanceTimeoutMillis)) * time.Millisecond}
	case *kmsg.SyncGroupRequest:
		s.again(r.Group, r.MemberID, now)
	case *kmsg.HeartbeatRequest:
		s.again(r.Group, r.MemberID, now)
	case *kmsg.OffsetCommitRequest:
		s.again(r.Group, r.MemberID, now)
	}
}

func (s *sessions) again(group, id string, now time.Time) {
	if known, ok := s.heard[member{group, id}]; ok {
		s.heard[member{group, id}] = session{now, known.long}
	}
}

// silent are those of a group's members whose session is over. Members that never joined before this broker's eyes are
// left to it.
func (s *sessions) silent(group string, members []kadm.DescribedGroupMember, now time.Time) []kadm.DescribedGroupMember {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []kadm.DescribedGroupMember
	here := map[string]bool{}
	for _, m := range members {
		here[m.MemberID] = true
		if last, ok := s.heard[member{group, m.MemberID}]; ok && now.Sub(last.at) > last.long+sessionGrace {
			out = append(out, m)
		}
	}
	for m, last := range s.heard { // of those who have left
		if m.group == group && !here[m.id] && now.Sub(last.at) > last.long+sessionGrace {
			delete(s.heard, m)
		}
	}
	return out
}

// watch ends sessions until ctx ends.
func (s *sessions) watch(ctx context.Context, client *kgo.Client) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	admin := kadm.NewClient(client)
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		groups, err := admin.DescribeGroups(ctx)
		if err != nil {
			continue // the broker is going, or the next look will tell
		}
		for _, g := range groups {
			for _, m := range s.silent(g.Group, g.Members, time.Now()) {
				req := kmsg.NewPtrLeaveGroupRequest()
				req.Group = g.Group
				leaving := kmsg.NewLeaveGroupRequestMember()
				leaving.MemberID, leaving.InstanceID = m.MemberID, m.InstanceID
				req.Members = append(req.Members, leaving)
				_, err := req.RequestWith(ctx, client)
				s.log.Info("a member of a group is silent for longer than its session and leaves", "group", g.Group, "member", m.MemberID, "error", err)
			}
		}
	}
}
