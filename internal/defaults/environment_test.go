package defaults

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestList(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                      {},
		" , \n":                                 {},
		"a":                                     {"a"},
		"a,b\nc\r\n":                            {"a", "b", "c"},
		"tcp://[::1]:21600, unix:///x":          {"tcp://[::1]:21600", "unix:///x"},
		`jobs=Queue:[100, 2],config=dict`:       {"jobs=Queue:[100, 2]", "config=dict"},
		`a=dict:[{"x,": "]\",["}]` + "\nb=list": {`a=dict:[{"x,": "]\",["}]`, "b=list"},
		"a],b":                                  {"a]", "b"},
		`"open,a`:                               {`"open,a`},
	} {
		if got := List(text); !slices.Equal(got, want) {
			t.Errorf("List(%q) is %q, want %q", text, got, want)
		}
	}
}

func TestFromEnvironment(t *testing.T) {
	flags := func() (*pflag.FlagSet, *[]string, *[]string, *int) {
		f := pflag.NewFlagSet("x", pflag.ContinueOnError)
		return f, f.StringSlice("some-list", []string{"default"}, ""), f.StringArray("create", nil, ""), f.Int("count", 0, "")
	}
	t.Setenv("SYNCMANAGER_SOME_LIST", "a,b")
	t.Setenv("SYNCMANAGER_CREATE", "jobs=Queue:[1,2]\nd=dict")
	t.Setenv("SYNCMANAGER_COUNT", "3")
	f, list, create, count := flags()
	if err := FromEnvironment(f); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(*list, []string{"a", "b"}) || !slices.Equal(*create, []string{"jobs=Queue:[1,2]", "d=dict"}) || *count != 3 {
		t.Errorf("the flags are %q, %q and %d", *list, *create, *count)
	}
	if !f.Changed("some-list") || !f.Changed("create") {
		t.Error("a flag that its variable set does not count as changed")
	}
	f, list, create, _ = flags()
	if err := f.Parse([]string{"--create", "x=list", "--some-list", "c"}); err != nil {
		t.Fatal(err)
	}
	if err := FromEnvironment(f); err != nil || !slices.Equal(*list, []string{"c"}) || !slices.Equal(*create, []string{"x=list"}) {
		t.Errorf("flags that were given became %q and %q: %v", *list, *create, err)
	}
	t.Setenv("SYNCMANAGER_COUNT", "many")
	f, _, _, _ = flags()
	if err := FromEnvironment(f); err == nil || !strings.HasPrefix(err.Error(), `SYNCMANAGER_COUNT="many": `) {
		t.Errorf("a bad value gives %v", err)
	}
}
