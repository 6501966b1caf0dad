using CsCheck;
using IntegrityFs.FileSystem.Conformance;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem.Tests;

/// <summary>Who holds an inode: the counts, their table, and any order of lookups, opens, removals and what takes them back.</summary>
public sealed class HoldTests
{
    private const int Inodes = 5;

    [Fact]
    public void A_count_that_has_reached_its_highest_value_stays()
    {
        Hold hold = new() { Lookups = Hold.MostLookups - 1, Handles = Hold.MostHandles - 1, Orphan = true };
        hold.TakeLookups(1);
        hold.TakeHandle();
        Assert.Equal((Hold.MostLookups - 2, Hold.MostHandles - 2), (hold.Lookups, hold.Handles));
        for (int i = 0; i < 3; i++)
        {
            hold.AddLookup();
            hold.AddHandle();
        }

        hold.TakeLookups(ulong.MaxValue);
        hold.TakeHandle();
        Assert.Equal((Hold.MostLookups, Hold.MostHandles), (hold.Lookups, hold.Handles));
        Assert.True(hold is { Orphan: true, Linkable: false, Doomed: false });
    }

    [Fact]
    public void More_than_was_counted_takes_all_back()
    {
        Hold hold = new() { Lookups = 3 };
        hold.TakeLookups(2);
        Assert.True(hold.IsHeld);
        hold.TakeLookups(1UL << 40);
        Assert.False(hold.IsHeld);
    }

    [Fact]
    public void A_table_is_a_dictionary_whatever_comes_and_goes()
    {
        // Numbers that are near each other, or far apart by one distance, or at random: what inode numbers look like.
        Gen<ulong> number = Gen.OneOf(Gen.ULong[1, 60], Gen.ULong[1, 60].Select(n => n << 20), Gen.ULong[1, ulong.MaxValue]);
        Gen.Select(Gen.Int[0, 5], number).Array[0, 400].Sample(
            steps =>
            {
                HoldTable table = new(6);
                Dictionary<ulong, uint> model = [];
                foreach ((int action, ulong inode) in steps)
                {
                    ref Hold hold = ref table.Find(inode);
                    Assert.Equal(model.ContainsKey(inode), !System.Runtime.CompilerServices.Unsafe.IsNullRef(ref hold));
                    if (action == 0)
                    {
                        table.Remove(inode);
                        model.Remove(inode);
                    }
                    else
                    {
                        table.FindOrAdd(inode).AddLookup();
                        model[inode] = model.GetValueOrDefault(inode) + 1;
                    }
                }

                Assert.Equal(model.Count, table.Count);
                Assert.All(model, entry => Assert.Equal(entry.Value, table.Find(entry.Key).Lookups));
                foreach (ulong inode in model.Keys)
                {
                    table.Remove(inode);
                }

                Assert.Equal((0, 16 * 16L), (table.Count, table.Bytes));
            },
            iter: 500);
    }

    [Fact]
    public void A_known_inode_costs_64_bytes_at_most_and_nothing_when_it_is_forgotten()
    {
        const int Many = 200_000;
        InodeHolds holds = new();
        long empty = holds.Bytes;
        for (ulong i = 2; i < Many; i++)
        {
            Assert.True(holds.TryKnow(new InodeNumber(i)));
        }

        Assert.Equal(Many - 2, holds.Count);
        Assert.InRange(holds.Bytes / (double)holds.Count, 20, 43);
        for (ulong i = 2; i < Many; i++)
        {
            Assert.False(holds.Forget(new InodeNumber(i), 1));
            Assert.True(holds.Bytes <= empty + (64 * holds.Count), $"{holds.Bytes} bytes for {holds.Count}");
        }

        Assert.Equal((0, empty), (holds.Count, holds.Bytes));
    }

    [Fact]
    public void The_root_is_always_held_and_no_inode_never()
    {
        InodeHolds holds = new();
        Assert.True(holds.TryKnow(InodeNumber.Root));
        Assert.False(holds.TryKnow(InodeNumber.None));
        Assert.False(holds.Forget(InodeNumber.Root, 1));
        Assert.False(holds.Forget(InodeNumber.None, 1));
        Assert.Equal(0, holds.Count);
    }

    [Fact]
    public void An_inode_is_there_exactly_while_it_has_a_name_a_lookup_or_a_handle()
    {
        Gen.Select(Gen.Int[0, 9], Gen.Int[0, Inodes - 1], Gen.Int[0, 4]).Array[1, 80].Sample(
            steps =>
            {
                Follower follower = new();
                foreach ((int action, int which, int count) in steps)
                {
                    follower.Do(action, which, count);
                    follower.Compare();
                }

                follower.End();
            },
            iter: 2000);
    }

    [Fact]
    public void What_was_looked_up_and_not_forgotten_is_there_however_late_other_forgets_come()
    {
        Harness h = new();
        Assert.Empty(new LateForgets(h).Run(threads: 4, steps: 3000));
        Assert.Empty(h.Catalog.Orphans);
        Assert.Null(h.Catalog.FindProblem());
        Assert.Equal(0, h.Fs.HeldInodes);
        Assert.Equal(default, h.Fs.Faults);
    }

    /// <summary>Some files in one directory, beside a model of who holds them.</summary>
    private sealed class Follower
    {
        private readonly Harness _h = new();
        private readonly Known[] _all = new Known[Inodes];

        public void Do(int action, int which, int count)
        {
            ref Known known = ref _all[which];
            string name = $"n{which}";
            string second = $"s{which}";
            Driver t = _h.T;
            switch (action)
            {
                case 0 when !known.IsThere:
                    known.Handles = [t.Create(InodeNumber.Root, name, out known.Inode)];
                    (known.Lookups, known.Names) = (1, 1);
                    break;
                case 1 when !known.IsThere:
                    known.Handles = [];
                    known.Inode = t.Touch(InodeNumber.Root, name);
                    (known.Lookups, known.Names) = (1, 1);
                    break;
                case 2 when known.Names > 0:
                    t.Lookup(InodeNumber.Root, name);
                    known.Lookups++;
                    break;
                case 3 when known.Names > 0:
                    t.List(InodeNumber.Root, withAttributes: true, portion: 1 + count);
                    foreach (ref Known each in _all.AsSpan())
                    {
                        each.Lookups += each.Names;
                    }

                    break;
                case 4 when known.Names > 0:
                    t.Unlink(InodeNumber.Root, known.Names == 2 ? second : name);
                    known.Names--;
                    break;
                case 5 when known.IsThere:
                    known.Handles.Add(t.Open(known.Inode));
                    break;
                case 6 when known.Handles is { Count: > 0 }:
                    t.Close(known.Handles[^1], known.Inode);
                    known.Handles.RemoveAt(known.Handles.Count - 1);
                    break;
                case 7 when known.Inode != InodeNumber.None:
                    t.Fs.Forget(known.Inode, (ulong)count);
                    known.Lookups = Math.Max(0, known.Lookups - count);
                    break;
                case 8 when known.Names == 1:
                    t.Link(known.Inode, InodeNumber.Root, second);
                    (known.Names, known.Lookups) = (2, known.Lookups + 1);
                    break;
                case 9 when known.IsThere:
                    t.Lookup(known.Inode, ".");
                    known.Lookups++;
                    break;
            }
        }

        public void Compare()
        {
            foreach (Known known in _all)
            {
                Errno error = _h.Fs.GetAttributes(known.Inode, out Attributes attributes);
                Assert.Equal(known.IsThere ? Errno.OK : Errno.ENOENT, error);
                Assert.Equal(known.IsThere ? (uint)known.Names : 0, attributes.Links);
            }
        }

        public void End()
        {
            foreach (Known known in _all)
            {
                known.Handles?.ForEach(handle => _h.T.Close(handle, known.Inode));
                _h.T.Forget(known.Inode);
            }

            Assert.Equal((0, 0, (string?)null), (_h.Fs.HeldInodes, _h.Catalog.Orphans.Count, _h.Catalog.FindProblem()));
            Assert.Equal(default, _h.Fs.Faults);
        }

        private struct Known
        {
            public InodeNumber Inode;
            public int Lookups;
            public int Names;
            public List<ulong> Handles;

            public readonly bool IsThere => Names > 0 || Lookups > 0 || Handles is { Count: > 0 };
        }
    }
}
