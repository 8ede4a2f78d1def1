package bench

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Of the repetitions of a round the least disturbed one counts, whatever it gave.
func TestDisturbedRoundsAreRepeated(t *testing.T) {
	for _, tt := range []struct {
		name     string
		shares   []float64 // of each measurement
		want     float64   // the number of the one that counts
		repeated int
	}{
		{"quiet", []float64{0.01}, 0, 0},
		{"once", []float64{0.2, 0.05}, 1, 1},
		{"always", []float64{0.3, 0.1, 0.2}, 1, 2},
		{"worse and worse", []float64{0.1, 0.2, 0.3}, 0, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var stolen time.Duration
				n := 0
				c := Case{Name: "x", Series: []Series{{Name: "a", Run: func(context.Context, Round) (map[string]float64, error) {
					time.Sleep(time.Second)
					stolen += time.Duration(tt.shares[n] * 2 * float64(time.Second))
					n++
					return map[string]float64{"ops": float64(n - 1)}, nil
				}}}}
				var log bytes.Buffer
				res, err := Run(t.Context(), []Case{c}, Options{Rounds: 1, Log: &log, Disturb: Disturbance{
					Stolen: func() (time.Duration, error) { return stolen, nil }, Cores: 2, Most: 0.06, Repeats: 2,
				}})
				if err != nil {
					t.Fatal(err)
				}
				if n != len(tt.shares) {
					t.Errorf("measured %d times, want %d", n, len(tt.shares))
				}
				got := res.Cases[0].Series[0].Metrics["ops"]
				if got.Median != tt.want || len(got.Values) != 1 {
					t.Errorf("measurement %v counts, want %v alone", got.Values, tt.want)
				}
				d := res.Disturbed
				if want := tt.shares[int(tt.want)]; !d.Known || d.Repeated != tt.repeated || d.Share < want-1e-6 || d.Share > want+1e-6 || d.Most != d.Share {
					t.Errorf("disturbed: %+v, want %v of what counts and %d repeated", d, want, tt.repeated)
				}
				if strings.Count(log.String(), "once more") != tt.repeated {
					t.Errorf("log: %s", &log)
				}
			})
		})
	}
}

func TestUnknownDisturbance(t *testing.T) {
	for asked := range 2 { // how often it is told
		var stolen time.Duration
		res, err := Run(t.Context(), []Case{{Name: "x", Series: []Series{fixed("a", 1)}}}, Options{Rounds: 1, Disturb: Disturbance{
			Stolen: func() (time.Duration, error) {
				stolen += time.Hour
				if asked--; asked < 0 {
					return 0, errors.New("no /proc")
				}
				return stolen, nil
			}, Repeats: 2,
		}})
		if d := res.Disturbed; err != nil || d.Known || d.Repeated > 0 || d.Share != 0 {
			t.Errorf("%+v, %v", d, err)
		}
	}
}
