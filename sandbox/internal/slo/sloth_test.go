package slo_test
