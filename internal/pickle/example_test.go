package pickle_test

import (
	"fmt"

	"github.com/syncmanager/syncmanager/internal/pickle"
)

// An instance of a class that Go does not know is kept as a pickle of its own,
// and is placed in another value later.
func Example() {
	// {'job': Job(7)}, as Python wrote it.
	data := "\x80\x04}\x8c\x03job\x8c\x04mine\x8c\x03Job\x93)\x81}\x8c\x01nK\x07sbs."
	n, err := pickle.DecodeString(data, pickle.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	job := n.(*pickle.Dict).Get("job")
	stored, err := pickle.EncodeMax(nil, job, 1<<20)
	if err != nil {
		fmt.Println(err)
		return
	}

	again, err := pickle.Decode(stored, pickle.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	reply, err := pickle.Encode(nil, pickle.NewTuple(pickle.NewStr("#RETURN"), again))
	fmt.Println(pickle.Equal(job, again), len(reply) > len(stored), err)
	// Output: true true <nil>
}
