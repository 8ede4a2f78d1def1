package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// extras are what the help of a verb has beside its text: other names, and examples.
// A test runs each example's command line through the parser.
var extras = map[string]struct {
	aliases  []string
	examples string
}{
	"ping":        {nil, "mgrctl ping\nmgrctl ping --wait 10s\nmgrctl ping --address tcp://server:21600 --authkey-file authkey"},
	"info":        {nil, "mgrctl info\nmgrctl info -o json"},
	"client ls":   {[]string{"list"}, "mgrctl client ls\nmgrctl client ls -o wide"},
	"client kick": {nil, "mgrctl client kick 7\nmgrctl client kick 3.12 --yes"},
	"shutdown":    {nil, "mgrctl shutdown --yes"},

	"ls":        {[]string{"list"}, "mgrctl ls\nmgrctl ls web.\nmgrctl ls 'job*' --type Queue\nmgrctl ls --all"},
	"show":      {nil, "mgrctl show config\nmgrctl show '#2'"},
	"create":    {nil, "mgrctl create config dict\nmgrctl create jobs Queue maxsize=100\nmgrctl create pair list '[1, 2]' --if-missing"},
	"rm":        {[]string{"del", "remove"}, "mgrctl rm config\nmgrctl rm '#2' --yes"},
	"call":      {nil, "mgrctl call config\nmgrctl call config setdefault retries 3\nmgrctl call jobs join --timeout 1m"},
	"object ls": {[]string{"list"}, "mgrctl object ls\nmgrctl object ls --anonymous --type Lock\nmgrctl object ls --session 7 --min-bytes 1000000"},
	"types":     {nil, "mgrctl types\nmgrctl types Queue"},

	"dict get":   {nil, "mgrctl dict get config retries\nmgrctl dict get config retries --default 3"},
	"dict set":   {nil, "mgrctl dict set config retries 3\nmgrctl dict set config host db.example port 5432\nmgrctl dict set config motd - < motd.txt"},
	"dict del":   {[]string{"rm", "remove"}, "mgrctl dict del config retries\nmgrctl dict del config a b c"},
	"dict incr":  {nil, "mgrctl dict incr counters visits\nmgrctl dict incr counters stock -5"},
	"dict items": {nil, "mgrctl dict items config\nmgrctl dict items config -o jsonl"},
	"dict scan":  {nil, "mgrctl dict scan config --limit 10\nmgrctl dict scan config --after 10 --prefix web."},
	"dict len":   {nil, "mgrctl dict len config"},
	"dict clear": {nil, "mgrctl dict clear config --yes"},

	"list get":    {nil, "mgrctl list get log 0\nmgrctl list get log -1"},
	"list set":    {nil, "mgrctl list set log 0 first"},
	"list append": {[]string{"add"}, "mgrctl list append log one two\nseq 1 5 | mgrctl list append log --lines"},
	"list insert": {nil, "mgrctl list insert log 0 first"},
	"list pop":    {nil, "mgrctl list pop log\nmgrctl list pop log 0"},
	"list del":    {[]string{"rm", "remove"}, "mgrctl list del log 0"},
	"list items":  {nil, "mgrctl list items log\nmgrctl list items log -o json"},
	"list len":    {nil, "mgrctl list len log"},
	"list clear":  {nil, "mgrctl list clear log --yes"},

	"set add":   {nil, "mgrctl set add seen a b\ncat urls.txt | mgrctl set add seen --lines --string"},
	"set rm":    {[]string{"del", "remove", "discard"}, "mgrctl set rm seen a"},
	"set has":   {nil, "mgrctl set has seen a"},
	"set items": {nil, "mgrctl set items seen"},
	"set len":   {nil, "mgrctl set len seen"},
	"set clear": {nil, "mgrctl set clear seen --yes"},

	"queue put":   {nil, "mgrctl queue put jobs '{\"url\": \"https://example.org\"}'\nseq 1 5 | mgrctl queue put jobs --lines\nmgrctl queue put todo --priority 1 urgent"},
	"queue get":   {nil, "mgrctl queue get jobs\nmgrctl queue get jobs -n 10 -o jsonl\nmgrctl queue get jobs --follow --done"},
	"queue done":  {nil, "mgrctl queue done jobs\nmgrctl queue done jobs 3"},
	"queue peek":  {nil, "mgrctl queue peek jobs"},
	"queue ls":    {[]string{"list"}, "mgrctl queue ls\nmgrctl queue ls 'job*'"},
	"queue purge": {nil, "mgrctl queue purge jobs --yes"},

	"lock run":     {nil, "mgrctl lock run deploy --create -- ./deploy.sh\nmgrctl lock run deploy --timeout 0 --fail-code 75 -- make"},
	"lock ls":      {[]string{"list"}, "mgrctl lock ls\nmgrctl lock ls --all"},
	"lock info":    {[]string{"show"}, "mgrctl lock info deploy\nmgrctl lock info '#2'"},
	"lock acquire": {nil, "mgrctl lock acquire deploy --for 5m"},
	"lock release": {nil, "mgrctl lock release deploy --token 17"},

	"event wait":    {nil, "mgrctl event wait ready --timeout 1m"},
	"event set":     {nil, "mgrctl event set ready"},
	"event clear":   {nil, "mgrctl event clear ready"},
	"event get":     {nil, "mgrctl event get ready"},
	"barrier wait":  {nil, "mgrctl barrier wait start --timeout 0"},
	"barrier reset": {nil, "mgrctl barrier reset start"},
	"barrier get":   {nil, "mgrctl barrier get start"},

	"context add":      {nil, "mgrctl context add work --address tcp://server:21600 --authkey-file authkey --use"},
	"context ls":       {[]string{"list"}, "mgrctl context ls"},
	"context use":      {nil, "mgrctl context use work\nmgrctl context use ''"},
	"context rm":       {[]string{"del", "remove"}, "mgrctl context rm work"},
	"keygen":           {nil, "mgrctl keygen authkey\nmgrctl keygen > authkey"},
	"version":          {nil, "mgrctl version"},
	"snapshot make":    {examples: "mgrctl snapshot make"},
	"snapshot save":    {examples: "mgrctl snapshot save /var/lib/syncmanager backup.snapshot"},
	"snapshot inspect": {examples: "mgrctl snapshot inspect backup.snapshot"},
	"snapshot restore": {examples: "mgrctl snapshot restore backup.snapshot /var/lib/syncmanager2"},
	"journal verify":   {examples: "mgrctl journal verify /var/lib/syncmanager"},
	"journal dump":     {examples: "mgrctl journal dump /var/lib/syncmanager"},
}

// document gives the commands below cmd their extras.
func document(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		if x, ok := extras[verbName(c)]; ok {
			c.Aliases = x.aliases
			c.Example = "  " + strings.ReplaceAll(x.examples, "\n", "\n  ")
		}
		document(c)
	}
}
