package kafka

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"obsandbox/sandbox/internal/ports"
)

func TestWhoIsSilent(t *testing.T) {
	t.Parallel()
	s, start := newSessions(slog.New(slog.DiscardHandler)), time.Unix(0, 0)
	join := kmsg.NewPtrJoinGroupRequest()
	join.Group, join.MemberID, join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = "g", "m", 10_000, 30_000
	s.hear(join, start)
	members := []kadm.DescribedGroupMember{{MemberID: "m"}, {MemberID: "never heard"}}
	assert.Empty(t, s.silent("g", members, start.Add(31*time.Second)))
	assert.Equal(t, members[:1], s.silent("g", members, start.Add(33*time.Second)))

	beat := kmsg.NewPtrHeartbeatRequest()
	beat.Group, beat.MemberID = "g", "m"
	s.hear(beat, start.Add(30*time.Second))
	assert.Empty(t, s.silent("g", members, start.Add(61*time.Second)))
	assert.Empty(t, s.silent("other", members, start.Add(time.Hour)))
	assert.Empty(t, s.silent("g", nil, start.Add(time.Hour)))
	assert.Empty(t, s.heard, "those who have left are forgotten")
}

// A member joins, and its connection breaks before the group has answered, while another member goes on.
func TestAMemberThatVanishesWhileItJoinsLeaves(t *testing.T) {
	t.Parallel()
	client, _ := start(t, Config{Listen: ports.Address(t), Topics: topicsFile(t, topicsYAML)})
	for i := range 8 { // kfake forgets a session with even chances
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			vanishes(t, client, fmt.Sprintf("group-%d", i))
		})
	}
}

func vanishes(t *testing.T, client *kgo.Client, group string) {
	seeds := client.OptValue(kgo.SeedBrokers).([]string)
	goesOn, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.ConsumerGroup(group), kgo.ConsumeTopics("logs"), kgo.Balancers(kgo.RangeBalancer()),
		kgo.DisableClientMetrics(), kgo.HeartbeatInterval(time.Second), kgo.SessionTimeout(20*time.Second), kgo.RebalanceTimeout(3*time.Second))
	require.NoError(t, err)
	t.Cleanup(goesOn.Close)
	admin := kadm.NewClient(client)
	members := func() []kadm.DescribedGroupMember {
		groups, err := admin.DescribeGroups(t.Context(), group)
		require.NoError(t, err)
		return groups[group].Members
	}
	alone := func() bool {
		all := members()
		return len(all) == 1 && all[0].ClientID == "kgo" && readsAll(all[0])
	}
	require.Eventually(t, alone, time.Minute, 10*time.Millisecond)
	vanish(t, seeds, group)
	require.Eventually(t, func() bool { return len(members()) == 2 }, time.Minute, 5*time.Millisecond, "it has joined")
	require.Eventually(t, alone, 40*time.Second, 50*time.Millisecond, "and is gone when its session is over")
}

// readsAll says whether a member has all three partitions.
func readsAll(m kadm.DescribedGroupMember) bool {
	assigned, ok := m.Assigned.AsConsumer()
	return ok && len(assigned.Topics) == 1 && len(assigned.Topics[0].Partitions) == 3
}

// vanish joins the group and breaks the connection while the group waits for its other members.
func vanish(t *testing.T, seeds []string, group string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.ClientID("vanishing"), kgo.DisableClientMetrics())
	require.NoError(t, err)
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.ProtocolType, req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = group, "consumer", 6000, 3000
	protocol := kmsg.NewJoinGroupRequestProtocol()
	wants := kmsg.NewConsumerMemberMetadata()
	wants.Topics = []string{"logs"}
	protocol.Name, protocol.Metadata = kgo.RangeBalancer().ProtocolName(), wants.AppendTo(nil)
	req.Protocols = append(req.Protocols, protocol)
	resp, err := req.RequestWith(t.Context(), client)
	require.NoError(t, err)
	require.ErrorIs(t, kerr.ErrorForCode(resp.ErrorCode), kerr.MemberIDRequired)
	req.MemberID = resp.MemberID
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = req.RequestWith(t.Context(), client)
	}()
	t.Cleanup(func() { client.Close(); <-ended })
	go func() { // when the broker has the request; the group answers a second later at the earliest
		select {
		case <-time.After(200 * time.Millisecond):
		case <-t.Context().Done():
		}
		client.Close()
	}()
}
