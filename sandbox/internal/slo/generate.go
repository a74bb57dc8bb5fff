package slo

//go:generate go run ./gen
