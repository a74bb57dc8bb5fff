package logstash

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"obsandbox/sandbox/internal/logstash/event"
)

// fingerprint writes a hash of fields, a random id, or an address's network.
type fingerprint struct {
	decorator
	sources   []event.Ref
	target    event.Ref
	method    string
	concat    bool
	allFields bool
	sum       func(value any) (any, error)
}

func newFingerprint(b *build) (filter, error) {
	f := &fingerprint{
		decorator: b.decorator(),
		method:    b.oneOf("method", "SHA1", "SHA1", "SHA256", "SHA384", "SHA512", "MD5", "MURMUR3", "IPV4_NETWORK", "UUID", "PUNCTUATION"),
		concat:    b.boolean("concatenate_sources", false),
		allFields: b.boolean("concatenate_all_fields", false),
	}
	target := "fingerprint"
	if b.ecs() != "disabled" {
		target = "[event][hash]"
	}
	f.target = b.ref("target", target)
	for _, s := range b.list("source", "message") {
		ref, err := event.ParseRef(s)
		if err != nil {
			b.fail("source", "%v", err)
			continue
		}
		f.sources = append(f.sources, ref)
	}
	if f.concat || f.method == "PUNCTUATION" {
		slices.SortFunc(f.sources, func(x, y event.Ref) int { return strings.Compare(x.String(), y.String()) })
	}
	key, b64 := b.str("key", ""), b.boolean("base64encode", false)
	f.sum = f.summer(b, key, b.find("key") != nil, b64)
	return f, b.done()
}

func (f *fingerprint) summer(b *build, key string, keyed, b64 bool) func(any) (any, error) {
	digests := map[string]func() hash.Hash{"SHA1": sha1.New, "SHA256": sha256.New, "SHA384": sha512.New384, "SHA512": sha512.New, "MD5": md5.New}
	switch f.method {
	case "MURMUR3":
		return func(v any) (any, error) {
			if n, ok := v.(int64); ok {
				return int64(murmur3(binary.LittleEndian.AppendUint64(nil, uint64(n)))), nil
			}
			return int64(murmur3([]byte(rubyText(v)))), nil
		}
	case "IPV4_NETWORK":
		prefix, err := strconv.Atoi(key)
		if err != nil || prefix < 0 || prefix > 32 {
			b.fail("key", "method IPV4_NETWORK needs the length of the network's prefix as key")
		}
		return func(v any) (any, error) {
			addr, err := netip.ParseAddr(rubyText(v))
			if err != nil {
				return nil, fmt.Errorf("fingerprint: %w", err)
			}
			network, err := addr.Prefix(prefix)
			return network.Addr().String(), err
		}
	}
	digest := digests[f.method]
	return func(v any) (any, error) {
		h := digest()
		if keyed {
			h = hmac.New(digest, []byte(key))
		}
		h.Write([]byte(rubyText(v)))
		if b64 {
			return base64.StdEncoding.EncodeToString(h.Sum(nil)), nil
		}
		return hex.EncodeToString(h.Sum(nil)), nil
	}
}

func (f *fingerprint) filter(e *event.Event) error {
	var err error
	switch {
	case f.method == "UUID":
		err = e.Set(f.target, newUUID())
	case f.method == "PUNCTUATION":
		for _, ref := range f.sources {
			if s, ok := e.Get(ref).(string); ok && err == nil {
				err = e.Set(f.target, punctuation(s))
			}
		}
	case f.concat || f.allFields:
		err = f.setSum(e, f.joined(e))
	default:
		for _, ref := range f.sources {
			v, ok := e.Lookup(ref)
			if !ok || err != nil {
				continue
			}
			list, isList := v.([]any)
			if !isList {
				err = f.setSum(e, canonical(v))
				continue
			}
			sums := make([]any, len(list))
			for i, item := range list {
				if sums[i], err = f.sum(canonical(item)); err != nil {
					return err
				}
			}
			err = e.Set(f.target, sums)
		}
	}
	if err != nil {
		return err
	}
	return f.matched(e)
}

func (f *fingerprint) setSum(e *event.Event, v any) error {
	sum, err := f.sum(v)
	if err != nil {
		return err
	}
	return e.Set(f.target, sum)
}

func (f *fingerprint) joined(e *event.Event) string {
	var out strings.Builder
	add := func(name string, v any) {
		out.WriteString("|" + name + "|" + rubyText(canonical(v)))
	}
	if f.allFields {
		for _, k := range sortedKeys(e.Data()) {
			add(k, e.Data()[k])
		}
	} else {
		for _, ref := range f.sources {
			add(ref.String(), e.Get(ref))
		}
	}
	out.WriteString("|")
	return out.String()
}

// canonical is a value in the form that is hashed: hashes and lists as texts in a fixed order.
func canonical(v any) any {
	switch t := v.(type) {
	case map[string]any:
		var parts []string
		for _, k := range sortedKeys(t) {
			parts = append(parts, k+"|"+rubyText(canonical(t[k])))
		}
		return strings.Join(parts, "|")
	case []any:
		var parts []string
		for _, item := range t {
			parts = append(parts, rubyText(canonical(item)))
		}
		return strings.Join(parts, "|")
	}
	return v
}

func punctuation(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPunct(r) || unicode.IsSymbol(r) {
			return r
		}
		return -1
	}, s)
}

// newUUID is a random UUID (version 4).
func newUUID() string {
	var u [16]byte
	_, _ = rand.Read(u[:])
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// murmur3 is MurmurHash3's 32-bit hash with seed 0.
func murmur3(data []byte) uint32 {
	const c1, c2 = 0xcc9e2d51, 0x1b873593
	var h uint32
	n := len(data)
	for ; len(data) >= 4; data = data[4:] {
		k := binary.LittleEndian.Uint32(data) * c1
		h ^= bits.RotateLeft32(k, 15) * c2
		h = bits.RotateLeft32(h, 13)*5 + 0xe6546b64
	}
	var k uint32
	for i, c := range data {
		k |= uint32(c) << (8 * i)
	}
	if len(data) > 0 {
		h ^= bits.RotateLeft32(k*c1, 15) * c2
	}
	h ^= uint32(n)
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	return h ^ h>>16
}

// rubyText is a value as text: floats as Ruby writes them, and the rest as sprintf does.
func rubyText(v any) string {
	if f, ok := v.(float64); ok {
		return event.RubyString(f)
	}
	return event.ToString(v)
}
