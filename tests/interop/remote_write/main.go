// Sends one request of remote write 2.0 by the library of the Prometheus project, and prints what the
// receiver says it has stored: samples, histograms, exemplars.
//
//	remote_write http://127.0.0.1:8080
package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/prometheus/client_golang/exp/api/remote"
	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"
)

const timeMs = 1_700_000_000_000

func main() {
	api, err := remote.NewAPI(os.Args[1], remote.WithAPIBackoff(remote.BackoffConfig{
		Min: 100 * time.Millisecond, Max: time.Second, MaxRetries: 3,
	}))
	check(err)
	stats, err := api.Write(context.Background(), remote.WriteV2MessageType, request())
	check(err)
	fmt.Println(stats.Samples, stats.Histograms, stats.Exemplars)
}

func request() *writev2.Request {
	symbols := writev2.NewSymbolTable()
	labels := func(pairs ...string) []uint32 { return symbols.SymbolizeLabels(pairs, nil) }
	metadata := &writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER, HelpRef: symbols.Symbolize("Requests.")}
	stale := math.Float64frombits(0x7ff0000000000002)
	counter := &writev2.TimeSeries{
		LabelsRefs: labels("__name__", "http_requests_total", "code", "200", "value", "taken"),
		Samples: []*writev2.Sample{
			{Value: 41, Timestamp: timeMs}, {Value: 42.5, Timestamp: timeMs + 1000}, {Value: stale, Timestamp: timeMs + 2000},
		},
		Exemplars: []*writev2.Exemplar{{LabelsRefs: labels("trace_id", "abc"), Value: 1, Timestamp: timeMs}},
		Metadata:  metadata,
	}
	histogram := &writev2.TimeSeries{
		LabelsRefs: labels("__name__", "http_request_seconds", "code", "200"),
		Histograms: []*writev2.Histogram{{
			Count: &writev2.Histogram_CountInt{CountInt: 12}, Sum: 18.4, Schema: 1, ZeroThreshold: 0.001,
			ZeroCount:      &writev2.Histogram_ZeroCountInt{ZeroCountInt: 2},
			PositiveSpans:  []*writev2.BucketSpan{{Offset: 0, Length: 2}, {Offset: 1, Length: 2}},
			PositiveDeltas: []int64{1, 1, -1, 0},
			NegativeSpans:  []*writev2.BucketSpan{{Offset: -3, Length: 2}},
			NegativeDeltas: []int64{3, 0},
			Timestamp:      timeMs,
		}},
	}
	return &writev2.Request{Timeseries: []*writev2.TimeSeries{counter, histogram}, Symbols: symbols.Symbols()}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
