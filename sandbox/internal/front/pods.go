package front

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// kubernetes answers as the platform's Kubernetes API does, with the addresses that pods have in containers. Lists
// are one JSON value and watches a stream of them: both are read value by value.
func (c *cluster) kubernetes(w http.ResponseWriter, r *http.Request) {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+c.cfg.Kubernetes+r.URL.RequestURI(), r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	req.Header = r.Header.Clone()
	req.Header.Del("Accept-Encoding") // the transport's own is undone by the transport
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		http.Error(w, fmt.Sprintf("ask the simulated Kubernetes API: %v", err), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	for name, values := range resp.Header {
		if name != "Content-Length" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(resp.StatusCode)
	if err := copyObjects(w, resp.Body); err != nil && r.Context().Err() == nil {
		c.log.Warn("an answer of the Kubernetes API broke off", "path", r.URL.Path, "error", err)
	}
}

func copyObjects(w http.ResponseWriter, body io.Reader) error {
	flush := http.NewResponseController(w).Flush
	if err := flush(); err != nil {
		return err
	}
	dec := json.NewDecoder(body)
	dec.UseNumber()
	for {
		var value any
		err := dec.Decode(&value)
		if errors.Is(err, io.EOF) {
			return nil
		}
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) { // health pages are plain text
			_, err = io.Copy(w, io.MultiReader(dec.Buffered(), body))
			return err
		}
		if err != nil {
			return err
		}
		place(value)
		if err := json.NewEncoder(w).Encode(value); err != nil {
			return err
		}
		if err := flush(); err != nil {
			return err
		}
	}
}

// place gives the pods in a value of the API their addresses: a pod, a list, a watch event.
func place(value any) {
	if items, ok := at(value, "items").([]any); ok {
		for _, pod := range items {
			place(pod)
		}
	}
	if object := at(value, "object"); object != nil {
		place(object)
	}
	if ip, ok := at(value, "status", "podIP").(string); ok {
		status := at(value, "status").(map[string]any) // it has the field podIP
		status["podIP"], status["podIPs"] = given(ip), []any{map[string]any{"ip": given(ip)}}
	}
}

// at walks down the fields of decoded JSON; nil where there is no such field.
func at(value any, fields ...string) any {
	for _, f := range fields {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[f]
	}
	return value
}
