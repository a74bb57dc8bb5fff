package world

import (
	"math"
	"time"
)

// What the platform is built for. The document's objective is more than 10,000 events/s: the quietest hour stays above.
const (
	meanRate = 12_500.0 // events/s over a day
	daily    = 0.12     // the busiest hour's share above the mean, the quietest's below
	// capacity is what each of the three task managers can process, events/s.
	capacity = 7_000.0
)

// walk is a slow random walk around 1, of something that is never quite the same.
type walk int

const (
	events walk = iota
	failing
	partners
	pipeline
	storing
	asking
	caching
	computing
	remembering
	walks // how many there are
)

// load is what the world asks of the platform.
type load struct {
	// rate is events/s; share is its part of the mean.
	rate, share float64
	walks       [walks]float64
}

func (l *load) init(w *World) {
	for i := range l.walks {
		l.walks[i] = 1
	}
	l.step(w, 0)
}

// step moves the load on by dt seconds: a curve over the day, its peak in the afternoon, and a walk that always returns.
func (l *load) step(w *World, dt float64) {
	// The walk forgets half of where it is in ten minutes, and strays by 1.5 %.
	keep := math.Exp2(-dt / 600)
	stray := 0.015 * w.cfg.Noise * math.Sqrt(1-keep*keep)
	for i, v := range l.walks {
		l.walks[i] = 1 + (v-1)*keep + w.rand.NormFloat64()*stray
	}
	hour := float64(w.now.UnixNano()%int64(24*time.Hour)) / float64(time.Hour) // UTC
	l.rate = meanRate * (1 + daily*math.Sin((hour-9)/24*2*math.Pi)) * l.of(events)
	l.share = l.rate / meanRate
}

// of is a walk's present value, about 1.
func (l *load) of(k walk) float64 { return l.walks[k] }

// pace is a walk's present value in steps of 1 %, for the times of histograms.
func (l *load) pace(k walk) float64 { return math.Round(l.walks[k]*100) / 100 }

// jitter is 1 with a little noise that is new with every call.
func (w *World) jitter(share float64) float64 { return 1 + share*(2*w.rand.Float64()-1) }
