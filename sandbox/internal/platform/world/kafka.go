package world

import (
	"math"
	"strconv"
)

const (
	brokers = 3
	// partitions of each topic.
	partitions = 6
)

// log is the topic events, as far as Flink has not read it.
type log struct {
	backlog [partitions]float64
}

// skew is each partition's part of the records: keys are never quite even.
var skew = [partitions]float64{0.162, 0.171, 0.158, 0.175, 0.166, 0.168}

func (l *log) append(records float64) {
	for p := range l.backlog {
		l.backlog[p] += records * skew[p]
	}
}

func (l *log) waiting() float64 {
	sum := 0.0
	for _, b := range l.backlog {
		sum += b
	}
	return sum
}

// read takes records out of the partitions, of each its part.
func (l *log) read(records float64) {
	all := l.waiting()
	if all <= 0 {
		return
	}
	for p := range l.backlog {
		l.backlog[p] *= 1 - records/all
	}
}

// topic is what a broker counts of a topic.
type topic struct {
	lag           [partitions]*Series
	messages      *Series
	in, out       *Series
	bytesPerEntry float64
}

func (w *World) newTopic(h *host, group, name string, bytesPerEntry float64) topic {
	t := topic{
		messages:      w.counter(h, "kafka_server_brokertopicmetrics_messagesin_total", name),
		in:            w.counter(h, "kafka_server_brokertopicmetrics_bytesin_total", name),
		out:           w.counter(h, "kafka_server_brokertopicmetrics_bytesout_total", name),
		bytesPerEntry: bytesPerEntry,
	}
	for p := range t.lag {
		t.lag[p] = w.gauge(h, "kafka_consumergroup_lag", group, strconv.Itoa(p), name)
	}
	return t
}

func (t *topic) add(records float64) {
	t.messages.add(records)
	t.in.add(records * t.bytesPerEntry)
	t.out.add(records * t.bytesPerEntry * 1.1)
}

// broker leads every third partition; those of one that is gone go to the others.
type broker struct {
	host                                    *host
	events, logs                            topic
	under, replicas, controller, leaderless *Series
}

func (w *World) newBroker(h *host) *broker {
	return &broker{
		host:       h,
		events:     w.newTopic(h, "flink-pipeline", "events", 820),
		logs:       w.newTopic(h, "logstash-consumer", "application-logs", 430),
		under:      w.gauge(h, "kafka_server_replicamanager_underreplicatedpartitions"),
		replicas:   w.gauge(h, "kafka_server_replicamanager_partitioncount"),
		controller: w.gauge(h, "kafka_controller_kafkacontroller_activecontrollercount"),
		leaderless: w.gauge(h, "kafka_controller_kafkacontroller_offlinepartitionscount"),
	}
}

// logLines is what the platform writes of log lines each second.
const logLines = 20.0

func (b *broker) step(w *World, dt float64) {
	running := brokers
	if w.faults.on("kafka-broker-down", "kafka") {
		running--
	}
	leads, read := 0.0, 0.0
	for p, waiting := range w.flow.kafka.backlog {
		events, logs := b.events.lag[p], b.logs.lag[p]
		here := p%running == b.host.replica
		events.hidden, logs.hidden = !here, !here
		if !here {
			continue
		}
		leads++
		events.Value, logs.Value = math.Round(waiting), math.Round(4*w.jitter(1))
		if dt > 0 {
			read += w.flow.published * skew[p]
		}
	}
	b.events.add(read)
	b.logs.add(logLines * leads / partitions * dt)
	// Of each of the two topics.
	b.under.Value = 2 * leads * float64(brokers-running)
	b.replicas.Value = 2 * partitions
	b.controller.Value = 0
	if b.host.replica == 0 {
		b.controller.Value = 1
	}
}
