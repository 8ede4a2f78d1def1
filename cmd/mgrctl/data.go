package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/syncmanager/syncmanager/internal/journal"
	"github.com/syncmanager/syncmanager/proxy"
)

// The verbs for a data directory work on its files, beside a server or without one.

func (a *app) snapshotCommand() *cobra.Command {
	cmd := group("snapshot", "Snapshots in a server's data directory", a.snapshotMakeCommand(), a.snapshotSaveCommand(), a.snapshotInspectCommand(), a.snapshotRestoreCommand())
	cmd.Long = `Snapshots are the state of a server with a data directory (managerd --data-dir) at
one index of its log. The server makes one after each 256 MiB or million commands of
its log, and when it is asked to; the other verbs work on the files.`
	return cmd
}

func (a *app) snapshotMakeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "make",
		Short: "Have the server write its state down now, and wait until that is safe",
		Args:  nargs(0, 0),
		RunE:  a.on(func(ctx context.Context, m *proxy.Manager, _ []string) error { return m.Snapshot(ctx) }),
	}
}

// newestSnapshot returns the name of the newest snapshot that is whole.
func newestSnapshot(d journal.Dir) (journal.SnapshotInfo, error) {
	names, err := d.List()
	if err != nil {
		return journal.SnapshotInfo{}, err
	}
	slices.Sort(names)
	slices.Reverse(names)
	var failures []error
	for _, name := range names {
		if !strings.HasPrefix(name, "snapshot-") {
			continue
		}
		info, err := journal.CheckSnapshot(d, name)
		if err == nil {
			return info, nil
		}
		failures = append(failures, err)
	}
	if len(failures) == 0 {
		return journal.SnapshotInfo{}, fmt.Errorf("%s holds no snapshot", string(d))
	}
	return journal.SnapshotInfo{}, errors.Join(failures...)
}

func (a *app) snapshotSaveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "save DIR FILE",
		Short: "Copy the newest snapshot of a data directory to a file, also while a server runs",
		Args:  nargs(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			info, err := newestSnapshot(journal.Dir(args[0]))
			if err != nil {
				return err
			}
			in, err := os.Open(filepath.Join(args[0], info.Name))
			if err != nil {
				return err
			}
			defer in.Close()
			out, err := os.OpenFile(args[1], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return err
			}
			_, err = io.Copy(out, in)
			if err == nil {
				err = out.Sync()
			}
			if closeErr := out.Close(); err == nil {
				err = closeErr
			}
			if err != nil {
				return err
			}
			return a.snapshotRecord(info)
		},
	}
}

func (a *app) snapshotInspectCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "inspect FILE",
		Short: "Check a snapshot and say what it is",
		Args:  nargs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			info, err := journal.CheckSnapshot(journal.Dir(filepath.Dir(args[0])), filepath.Base(args[0]))
			if err != nil {
				return err
			}
			return a.snapshotRecord(info)
		},
	}
}

func (a *app) snapshotRecord(info journal.SnapshotInfo) error {
	lineage := ""
	if len(info.About) >= 8 {
		lineage = fmt.Sprintf("%016x", binary.LittleEndian.Uint64(info.About))
	}
	return a.record(info.Name, fieldOf{"snapshot", text(info.Name)}, fieldOf{"index", number(int64(info.Index))},
		fieldOf{"term", number(int64(info.Term))}, fieldOf{"lineage", text(lineage)}, fieldOf{"bytes", size(info.Size)})
}

func (a *app) snapshotRestoreCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE DIR",
		Short: "Begin a new data directory with a snapshot",
		Long: `Begin a new data directory with a snapshot. It gets a lineage of its own: clients
whose sessions are newer than the snapshot are told so, instead of going on with a
state that does not know what they did.`,
		Args: nargs(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer in.Close()
			d, _, err := journal.MakeDir(args[1])
			if err != nil {
				return err
			}
			info, err := journal.Import(d, in, filepath.Base(args[0]), func(old []byte) ([]byte, error) {
				if len(old) < 8 {
					return nil, errors.New("the snapshot's description is cut short")
				}
				about := slices.Clone(old)
				rand.Read(about[:8])
				return about, nil
			})
			if err != nil {
				return err
			}
			return a.snapshotRecord(info)
		},
	}
}

func (a *app) journalCommand() *cobra.Command {
	return group("journal", "The log in a data directory that no server uses", a.journalVerifyCommand(), a.journalDumpCommand())
}

func (a *app) journalVerifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify DIR",
		Short: "Check every record of the log and every byte of the snapshots; nothing is changed",
		Args:  nargs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			st, err := journal.Check(journal.Dir(args[0]), nil)
			if err != nil {
				return err
			}
			return a.record(args[0], fieldOf{"first_index", number(int64(st.First))}, fieldOf{"last_index", number(int64(st.Last))},
				fieldOf{"segments", number(int64(st.Segments))}, fieldOf{"log_bytes", size(st.LogBytes)},
				fieldOf{"snapshots", number(int64(st.Snapshots))}, fieldOf{"snapshot_index", number(int64(st.Snapshot))}, fieldOf{"snapshot_bytes", size(st.SnapshotBytes)})
		},
	}
}

func (a *app) journalDumpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "dump DIR",
		Short: "List the log's entries: index, term, type, bytes and the content in hexadecimal",
		Args:  nargs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := journal.Check(journal.Dir(args[0]), func(e journal.Entry) error {
				return a.line(fmt.Sprintf("%d\t%d\t%d\t%d\t%x", e.Index, e.Term, e.Type, len(e.Data), e.Data))
			})
			return err
		},
	}
}
