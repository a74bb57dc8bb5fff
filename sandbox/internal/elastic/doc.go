// Package elastic is the Elasticsearch-compatible log store: the part of Elasticsearch's HTTP API that Logstash's
// output, Grafana's data source, the official clients and people with curl use, with durable indices behind it.
//
// What it is built on, and why. Operations go to a write-ahead log of our own (package wal): one log for all indices,
// so that a bulk request over several of them costs one fsync, shared with whoever waits at the same moment. Documents
// become searchable in immutable, memory-mapped segments (package segment): columns of values, sorted dictionaries,
// postings as roaring bitmaps (RoaringBitmap/roaring) and sources in zstd blocks (klauspost/compress). A key-value
// store such as pebble or bbolt was not taken for the documents: it writes every document once more with every
// compaction and answers an aggregation by iterating keys, where a column is an array that is walked at memory speed.
// The cluster's state is a few small JSON files, replaced whole; a store would not make them safer.
//
// What is not covered is refused with a 400 that names it; docs/elasticsearch.md has the list.
package elastic
