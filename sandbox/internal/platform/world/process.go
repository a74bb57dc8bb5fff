package world

import "math"

// process is what the operating system says of a pod's process.
type process struct {
	// cores and bytes of memory in use and bytes/s received, at the mean load.
	cores, memory, traffic float64

	cpu, resident, started, files, in, out *Series
}

func (w *World) newProcess(h *host, cores, memory, traffic float64) process {
	p := process{
		cores: cores, memory: memory, traffic: traffic,
		cpu:      w.counter(h, "process_cpu_seconds_total"),
		resident: w.gauge(h, "process_resident_memory_bytes"),
		started:  w.gauge(h, "process_start_time_seconds"),
		files:    w.gauge(h, "process_open_fds"),
		in:       w.counter(h, "process_network_receive_bytes_total"),
		out:      w.counter(h, "process_network_transmit_bytes_total"),
	}
	p.started.Value = float64(h.pod.Started.Unix())
	return p
}

func (p *process) step(w *World, dt float64) {
	share := w.load.share
	p.cpu.add(p.cores * share * w.load.of(computing) * w.jitter(0.1) * dt)
	p.resident.Value = math.Round(p.memory * (0.8 + 0.2*share) * w.load.of(remembering))
	p.files.Value = math.Round(60 + 40*share*w.load.of(computing))
	p.in.add(p.traffic * share * w.jitter(0.05) * dt)
	p.out.add(p.traffic * 0.9 * share * w.jitter(0.05) * dt)
}

// route is one handler of an HTTP server.
type route struct {
	codes []*Series
	// shares of the codes among the answers that are no server errors; 0 for the two that are, which come last.
	shares []float64
	took   *Series
}

func (w *World) newRoute(h *host, method, handler string) route {
	r := route{took: w.histogram(h, "http_request_duration_seconds", handler, method)}
	code := func(code string, share float64) {
		r.codes = append(r.codes, w.counter(h, "http_requests_total", code, handler, method))
		r.shares = append(r.shares, share)
	}
	if method == "POST" {
		code("202", 0.995)
	} else {
		code("200", 0.915)
		code("304", 0.08)
	}
	code("400", 0.004)
	code("404", 0.001)
	code("500", 0)
	code("503", 0)
	return r
}

// serve counts requests, of which a share is answered with a server error.
func (r *route) serve(n, median, wrong float64) {
	last := len(r.codes) - 2
	for i, share := range r.shares[:last] {
		r.codes[i].add(n * (1 - wrong) * share)
	}
	r.codes[last].add(n * wrong * 0.7)
	r.codes[last+1].add(n * wrong * 0.3)
	r.took.observe(n, median, 0.5)
}
