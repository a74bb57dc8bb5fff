package logstash

import (
	"slices"
	"unicode/utf16"

	"obsandbox/sandbox/internal/logstash/lang"
)

// javaOrder puts a hash's entries into the order in which Logstash works them off: not the file's, but that of Java's
// HashMap, which goes by the keys' hash codes. It shows where one entry sees what another has done, as in
// rename => { "b" => "c" "a" => "b" }.
func javaOrder(h lang.Hash) lang.Hash {
	// A HashMap doubles its 16 buckets whenever it would be more than three quarters full.
	buckets := uint32(16)
	for uint32(len(h)) > buckets/4*3 {
		buckets *= 2
	}
	bucket := func(key string) uint32 {
		code := javaHashCode(key)
		return (code ^ code>>16) & (buckets - 1)
	}
	sorted := slices.Clone(h)
	slices.SortStableFunc(sorted, func(a, b lang.Entry) int { return int(bucket(a.Key)) - int(bucket(b.Key)) })
	return sorted
}

// javaHashCode is Java's String.hashCode.
func javaHashCode(s string) uint32 {
	var code uint32
	for _, unit := range utf16.Encode([]rune(s)) {
		code = 31*code + uint32(unit)
	}
	return code
}
