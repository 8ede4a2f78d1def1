package bench

import (
	"context"
	"io"
	"time"

	"github.com/syncmanager/syncmanager/integration/bench/internal/stats"
)

// Disturbance says how to tell, without looking at any figure, that a round of a
// case was disturbed from outside of the machine, and how often to repeat it then.
// Of its repetitions the least disturbed one counts.
type Disturbance struct {
	Stolen  func() (time.Duration, error) // processor time that others had so far; nil: not known
	Cores   int
	Most    float64 // share of the processor time that may be lost
	Repeats int     // at most
}

// Disturbed is how a run was disturbed.
type Disturbed struct {
	Known    bool    `json:"known"`
	Share    float64 `json:"share"`    // of the processor time of the rounds that count
	Most     float64 `json:"most"`     // of one case in one round
	Repeated int     `json:"repeated"` // rounds of cases that were measured again

	lost, all time.Duration
}

// sample is what the series of a case gave in one round; nil for one that did
// not run or failed.
type sample []map[string]float64

// undisturbed measures a round of a case, again if it was disturbed.
func (d *Disturbance) undisturbed(ctx context.Context, name string, log io.Writer, out *Disturbed, measure func() sample) sample {
	var best sample
	least, lost, all := 0.0, time.Duration(0), time.Duration(0)
	for n := 0; ; n++ {
		began := time.Now()
		before, known := d.stolen()
		got := measure()
		after, still := d.stolen()
		if known = known && still; !known {
			before, after = 0, 0
		}
		took := time.Since(began) * time.Duration(max(d.Cores, 1))
		share := float64(after-before) / float64(max(took, 1))
		if n == 0 || share < least {
			best, least, lost, all = got, share, after-before, took
		}
		if !known || share <= d.Most || n == d.Repeats || ctx.Err() != nil {
			out.Known = known
			break
		}
		out.Repeated++
		logf(log, "%s: once more: others had %.0f %% of the processor time", name, 100*share)
	}
	out.lost += lost
	out.all += all
	out.Share, out.Most = float64(out.lost)/float64(max(out.all, 1)), max(out.Most, least)
	return best
}

func (d *Disturbance) stolen() (t time.Duration, known bool) {
	if d.Stolen == nil {
		return 0, false
	}
	t, err := d.Stolen()
	return t, err == nil
}

// values are the figures of all rounds, by series.
type values map[*SeriesResult]map[string][]float64

func (v values) add(out *SeriesResult, figures map[string]float64) {
	if figures != nil && v[out] == nil {
		v[out] = make(map[string][]float64)
	}
	for metric, x := range figures {
		v[out][metric] = append(v[out][metric], x)
	}
}

// summarize fills in the figures of the series that have not failed.
func (v values) summarize() {
	for out, metrics := range v {
		if out.Failed != "" {
			continue
		}
		out.Metrics = make(map[string]stats.Summary, len(metrics))
		for metric, x := range metrics {
			out.Metrics[metric] = stats.Summarize(x)
		}
	}
}
