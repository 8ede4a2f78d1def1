package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// fixed is a series that gives one value per round, "ops" only.
func fixed(name string, values ...float64) Series {
	return Series{Name: name, Run: func(_ context.Context, r Round) (map[string]float64, error) {
		return map[string]float64{"ops": values[r.Number]}, nil
	}}
}

func TestRoundsInterleave(t *testing.T) {
	var ran []string
	series := func(name string) Series {
		return Series{Name: name, Run: func(_ context.Context, r Round) (map[string]float64, error) {
			ran = append(ran, fmt.Sprintf("%d%s", r.Number, name))
			return map[string]float64{"ops": 1}, nil
		}}
	}
	cases := []Case{
		{Name: "x", Series: []Series{series("a"), series("b"), series("c")}},
		{Name: "y", Series: []Series{series("d")}},
	}
	if _, err := Run(t.Context(), cases, Options{Rounds: 4, Duration: time.Second}); err != nil {
		t.Fatal(err)
	}
	want := "0a 0b 0c 0d 1c 1b 1a 1d 2b 2c 2a 2d 3a 3c 3b 3d"
	if got := strings.Join(ran, " "); got != want {
		t.Errorf("ran %s\nwant %s", got, want)
	}
}

func TestOrderIsFair(t *testing.T) {
	for n := 1; n <= 7; n++ {
		first := make([]int, n)
		for round := range 2 * n {
			got := order(n, round)
			first[got[0]]++
			slices.Sort(got)
			for i, v := range got {
				if v != i {
					t.Fatalf("order(%d, %d) is no permutation", n, round)
				}
			}
		}
		for i, times := range first {
			if times != 2 {
				t.Errorf("of %d series, number %d is first in %d of %d rounds, want 2", n, i, times, 2*n)
			}
		}
	}
}

func TestMissingAndFailed(t *testing.T) {
	runs := 0
	cases := []Case{{Name: "x", Series: []Series{
		{Name: "gone", Needs: []string{"redis"}, Run: func(context.Context, Round) (map[string]float64, error) {
			t.Error("a series ran without its peer")
			return nil, nil
		}},
		{Name: "breaks", Run: func(_ context.Context, r Round) (map[string]float64, error) {
			runs++
			if r.Number == 1 {
				return nil, errors.New("boom")
			}
			return map[string]float64{"ops": 5}, nil
		}},
		fixed("fine", 1, 2, 9),
	}}}
	res, err := Run(t.Context(), cases, Options{Rounds: 3, Missing: map[string]string{"redis": "no redis-server"}})
	if err != nil {
		t.Fatal(err)
	}
	got := res.Cases[0].Series
	if got[0].Why() != "missing: no redis-server" || got[0].Metrics != nil {
		t.Errorf("gone: %+v", got[0])
	}
	if got[1].Why() != "failed: boom" || got[1].Metrics != nil {
		t.Errorf("breaks: %+v, want no figures beside the failure", got[1])
	}
	if runs != 2 {
		t.Errorf("a failed series ran %d times, want 2", runs)
	}
	if m := got[2].Metrics["ops"].Median; m != 2 {
		t.Errorf("median %v, want 2", m)
	}
	js := res.Judge([]Bar{
		{Name: "1", Value: Term{Case: "x", Series: "fine", Metric: "ops"}, Per: []Term{{Case: "x", Series: "gone", Metric: "ops"}}},
		{Name: "2", Value: Term{Case: "x", Series: "breaks", Metric: "ops"}},
		{Name: "3", Value: Term{Case: "x", Series: "fine", Metric: "p50"}},
		{Name: "4", Value: Term{Case: "elsewhere", Series: "fine", Metric: "ops"}},
	})
	if len(js) != 3 {
		t.Fatalf("%d judgements, want 3: a bar of another case is left out", len(js))
	}
	for i, want := range []string{"missing: no redis-server", "failed: boom", `has no figure "p50"`} {
		if js[i].Verdict != Unmeasured || !strings.Contains(js[i].Why, want) {
			t.Errorf("bar %d: %s (%s), want not measured because of %q", i+1, js[i].Verdict, js[i].Why, want)
		}
		if js[i].Missing != (i == 0) {
			t.Errorf("bar %d: missing is %v; only a peer that is not installed counts as missing", i+1, js[i].Missing)
		}
	}
}

func TestJudge(t *testing.T) {
	cases := []Case{
		{Name: "c", Series: []Series{
			fixed("ours", 90, 100, 110), fixed("slow", 40, 50, 60), fixed("fast", 79, 80, 81), fixed("zero", 0, 0, 0), fixed("negative", -2, -2, -2),
		}},
		{Name: "d", Series: []Series{fixed("ours", 300, 300, 330), fixed("fast", 160, 160, 160)}},
	}
	res, err := Run(t.Context(), cases, Options{Rounds: 3})
	if err != nil {
		t.Fatal(err)
	}
	term := func(c, s string) Term { return Term{Case: c, Series: s, Metric: "ops"} }
	for _, tt := range []struct {
		bar       Bar
		got       float64
		low, high float64
		verdict   Verdict
		per       string
	}{
		{Bar{Name: "best of two", Value: term("c", "ours"), Per: []Term{term("c", "slow"), term("c", "fast")}, Limit: 1},
			1.25, 90.0 / 79, 110.0 / 81, Met, "c, fast"},
		{Bar{Name: "above half", Value: term("c", "ours"), Per: []Term{term("c", "fast")}, Limit: 2},
			1.25, 90.0 / 79, 110.0 / 81, Near, "c, fast"},
		{Bar{Name: "below half", Value: term("c", "ours"), Per: []Term{term("c", "fast")}, Limit: 3},
			1.25, 90.0 / 79, 110.0 / 81, Missed, "c, fast"},
		{Bar{Name: "least of two", AtMost: true, Value: term("c", "ours"), Per: []Term{term("c", "slow"), term("c", "fast")}, Limit: 2},
			2, 110.0 / 60, 90.0 / 40, Met, "c, slow"},
		{Bar{Name: "within twice", AtMost: true, Value: term("c", "ours"), Per: []Term{term("c", "slow")}, Limit: 1},
			2, 110.0 / 60, 90.0 / 40, Near, "c, slow"},
		{Bar{Name: "beyond twice", AtMost: true, Value: term("c", "ours"), Per: []Term{term("c", "slow")}, Limit: 0.9},
			2, 110.0 / 60, 90.0 / 40, Missed, "c, slow"},
		{Bar{Name: "absolute", Value: term("c", "ours"), Limit: 100}, 100, 90, 110, Met, ""},
		{Bar{Name: "worst round, least", Value: term("c", "ours"), Limit: 100, Worst: true}, 90, 90, 110, Near, ""},
		{Bar{Name: "worst round, most", Value: term("c", "ours"), Limit: 100, Worst: true, AtMost: true}, 110, 90, 110, Near, ""},
		{Bar{Name: "relief", Value: term("c", "fast"), Per: []Term{term("c", "ours")}, Relief: []Term{term("c", "slow"), term("c", "ours")}, Limit: 1.5},
			1.6, 81.0 / 110, 79.0 / 90, Met, "c, ours"},
		{Bar{Name: "no relief", Value: term("c", "fast"), Per: []Term{term("c", "ours")}, Relief: []Term{term("c", "ours"), term("c", "slow")}, Limit: 1},
			0.8, 81.0 / 110, 79.0 / 90, Near, "c, ours"},
		{Bar{Name: "negative", AtMost: true, Value: term("c", "ours"), Per: []Term{term("c", "negative")}, Limit: 1}, 0, 0, 0, Unmeasured, "c, negative"},
		{Bar{Name: "zero", Value: term("c", "ours"), Per: []Term{term("c", "zero")}}, 0, 0, 0, Unmeasured, "c, zero"},
	} {
		j := res.Judge([]Bar{tt.bar})[0]
		if j.Verdict != tt.verdict || !near(j.Got, tt.got) || j.Per != tt.per {
			t.Errorf("%s: %v %v per %q (%s), want %v %v per %q", tt.bar.Name, j.Verdict, j.Got, j.Per, j.Why, tt.verdict, tt.got, tt.per)
		}
		if !near(j.Low, tt.low) || !near(j.High, tt.high) {
			t.Errorf("%s: rounds from %v to %v, want %v to %v", tt.bar.Name, j.Low, j.High, tt.low, tt.high)
		}
	}
}

// A curve is judged by the point that reaches the smallest share of its bar, and
// not at all if a point was not measured.
func TestJudgeCurve(t *testing.T) {
	res, err := Run(t.Context(), []Case{{Name: "c", Series: []Series{fixed("ours", 30), fixed("peer", 10)}}}, Options{Rounds: 1})
	if err != nil {
		t.Fatal(err)
	}
	ours, peer := Term{Case: "c", Series: "ours", Metric: "ops"}, Term{Case: "c", Series: "peer", Metric: "ops"}
	curve := Bar{Name: "curve", Limit: 1, Points: []Bar{
		{At: "1", Value: ours, Per: []Term{peer}, Limit: 2}, {At: "2", Value: ours, Per: []Term{peer}, Limit: 4}, {At: "3", AtMost: true, Value: peer, Limit: 11, Unit: "s"},
	}}
	if got := len(curve.Terms()); got != 5 {
		t.Errorf("%d terms, want those of all points, 5", got)
	}
	j := res.Judge([]Bar{curve})[0]
	if j.Verdict != Near || !near(j.Got, 0.75) || j.At != "2: 3 of 4" {
		t.Errorf("%+v, want 0.75 at point 2", j)
	}
	curve.Points = append(curve.Points, Bar{At: "4", Value: Term{Case: "c", Series: "ours", Metric: "none"}, Limit: 1})
	if j := res.Judge([]Bar{curve})[0]; j.Verdict != Unmeasured || j.Why == "" {
		t.Errorf("%+v, want not measured", j)
	}
}

func TestNamesAreUnique(t *testing.T) {
	for _, cases := range [][]Case{
		{{Name: "x"}, {Name: "x"}},
		{{Name: "x", Series: []Series{{Name: "a"}, {Name: "a"}}}},
	} {
		if _, err := Run(t.Context(), cases, Options{Rounds: 1}); err == nil {
			t.Errorf("Run took two of a name: %+v", cases)
		}
	}
}

func TestEndOfContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cases := []Case{{Name: "x", Series: []Series{{Name: "a", Run: func(_ context.Context, r Round) (map[string]float64, error) {
		if r.Number == 1 {
			cancel()
			return nil, ctx.Err()
		}
		return map[string]float64{"ops": 3}, nil
	}}}}}
	res, err := Run(ctx, cases, Options{Rounds: 5})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("err = %v, want context.Canceled", err)
	}
	if got := res.Cases[0].Series[0]; got.Why() != "" || got.Metrics["ops"].Median != 3 {
		t.Errorf("the rounds before the end are lost: %+v", got)
	}
}

func TestFileName(t *testing.T) {
	got := FileName("dir", "dict get, 50 callers", "syncmanager (tls)")
	if want := "dir/dict-get-50-callers-syncmanager-tls"; strings.ReplaceAll(got, "\\", "/") != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func near(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 }
