package smoke

import (
	"encoding/json"
	"net/http"
)

type fakeJaeger struct {
	// traces by id; a span is as Jaeger's query API has it.
	found map[string][]fakeSpan
	// onTrace changes what is stored of the trace that the run sends.
	onTrace func([]fakeSpan) []fakeSpan
	// refuse answers an export with this status.
	refuse int
}

type fakeSpan struct {
	ID, Name, Parent, Service string
	Tags                      map[string]string
}

const platformTrace = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

func (w *world) startJaeger() {
	w.onTrace = func(spans []fakeSpan) []fakeSpan { return spans }
	w.found = map[string][]fakeSpan{platformTrace: {
		{"a0", "process_event", "", "flink", map[string]string{"event.id": "evt-1", "event.type": "shipment"}},
		{"a1", "validate", "a0", "flink", nil}, {"a2", "transform", "a0", "flink", nil}, {"a3", "enrich", "a0", "flink", nil},
	}}
	w.serve("jaeger", "health", map[string]handler{
		"GET /status": func(*http.Request) (any, error) { return jsonObject{"status": "StatusOK"}, nil },
	})
	w.serve("jaeger", "otlp-http", map[string]handler{"POST /v1/traces": w.export})
	w.serve("jaeger", "otlp-grpc", nil)
	w.serve("jaeger", "query", map[string]handler{
		"GET /api/services": func(*http.Request) (any, error) { return jsonObject{"data": []string{"flink", logService}}, nil },
		"GET /api/traces/{id}": func(r *http.Request) (any, error) {
			spans, ok := w.found[r.PathValue("id")]
			if !ok {
				return nil, httpError(http.StatusNotFound)
			}
			return jsonObject{"data": []any{jaegerTrace(spans)}}, nil
		},
		"GET /api/traces": func(r *http.Request) (any, error) {
			data := []any{}
			for _, spans := range w.found {
				if spans[0].Service == r.URL.Query().Get("service") {
					data = append(data, jaegerTrace(spans))
				}
			}
			return jsonObject{"data": data}, nil
		},
	})
}

func (w *world) export(r *http.Request) (any, error) {
	if w.refuse != 0 {
		return nil, httpError(w.refuse)
	}
	type attribute struct {
		Key   string `json:"key"`
		Value struct {
			String string `json:"stringValue"`
		} `json:"value"`
	}
	var request struct {
		ResourceSpans []struct {
			Resource struct {
				Attributes []attribute `json:"attributes"`
			} `json:"resource"`
			ScopeSpans []struct {
				Spans []struct {
					TraceID    string      `json:"traceId"`
					SpanID     string      `json:"spanId"`
					ParentID   string      `json:"parentSpanId"`
					Name       string      `json:"name"`
					Attributes []attribute `json:"attributes"`
				} `json:"spans"`
			} `json:"scopeSpans"`
		} `json:"resourceSpans"`
	}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		return nil, httpError(http.StatusBadRequest)
	}
	texts := func(list []attribute) map[string]string {
		out := map[string]string{}
		for _, a := range list {
			out[a.Key] = a.Value.String
		}
		return out
	}
	for _, resource := range request.ResourceSpans {
		service := texts(resource.Resource.Attributes)["service.name"]
		for _, scope := range resource.ScopeSpans {
			var spans []fakeSpan
			id := ""
			for _, s := range scope.Spans {
				id = s.TraceID
				spans = append(spans, fakeSpan{s.SpanID, s.Name, s.ParentID, service, texts(s.Attributes)})
			}
			if spans = w.onTrace(spans); len(spans) > 0 {
				w.found[id] = spans
			}
		}
	}
	return jsonObject{"partialSuccess": jsonObject{}}, nil
}

func jaegerTrace(spans []fakeSpan) any {
	list, processes := []any{}, jsonObject{}
	for _, s := range spans {
		references, tags := []any{}, []any{}
		if s.Parent != "" {
			references = append(references, jsonObject{"refType": "CHILD_OF", "spanID": s.Parent})
		}
		for key, value := range s.Tags {
			tags = append(tags, jsonObject{"key": key, "type": "string", "value": value})
		}
		processes["p-"+s.Service] = jsonObject{"serviceName": s.Service}
		list = append(list, jsonObject{
			"spanID": s.ID, "operationName": s.Name, "processID": "p-" + s.Service, "references": references, "tags": tags,
		})
	}
	return jsonObject{"spans": list, "processes": processes}
}
