package pickle_test

import (
	"github.com/syncmanager/syncmanager/internal/pickle"
	"github.com/syncmanager/syncmanager/internal/pickle/pickletest"
)

func init() { pickle.Equal, pickle.Cyclic = pickletest.Equal, pickletest.Cyclic }
