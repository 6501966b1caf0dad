using IntegrityFs.Catalog;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem.Tests;

/// <content>One atomic operation.</content>
internal sealed partial class FakeCatalog
{
    private sealed class FakeOperation(FakeCatalog catalog, int reserved, bool removes) : CatalogOperation
    {
        private readonly Stack<Action> _undo = new();
        private int _spent;
        private bool _complete;
        private bool _disposed;

        public override InodeNumber NewInode()
        {
            Demand(!removes, "a removal adds no inode");
            Spend(1);
            return new InodeNumber(++catalog.LastInode);
        }

        public override void PutInode(InodeNumber inode, in InodeRecord record)
        {
            Spend(1);
            if (catalog.Nodes.TryGetValue(inode.Value, out FakeNode? node))
            {
                InodeRecord old = node.Record;
                _undo.Push(() => node.Record = old);
                node.Record = record;
                return;
            }

            catalog.Nodes.Add(inode.Value, new FakeNode { Record = record });
            _undo.Push(() => catalog.Nodes.Remove(inode.Value));
        }

        public override Errno AddDentry(InodeNumber directory, ReadOnlySpan<byte> name, Dentry entry)
        {
            Spend(1);
            DemandName(name);
            Demand(!removes, "a removal adds no name");
            FakeNode node = catalog.Nodes[directory.Value];
            byte[] key = name.ToArray();
            ulong cookie = ++catalog.LastCookie;
            if (!node.Entries.TryAdd(key, new FakeEntry(entry, cookie)))
            {
                return Errno.EEXIST;
            }

            node.Order.Add(cookie, key);
            _undo.Push(() =>
            {
                node.Entries.Remove(key);
                node.Order.Remove(cookie);
            });
            return Errno.OK;
        }

        public override Errno ReplaceDentry(InodeNumber directory, ReadOnlySpan<byte> name, Dentry entry)
        {
            Spend(1);
            FakeNode node = catalog.Nodes[directory.Value];
            byte[] key = name.ToArray();
            if (!node.Entries.TryGetValue(key, out FakeEntry old))
            {
                return Errno.ENOENT;
            }

            node.Entries[key] = old with { Dentry = entry };
            _undo.Push(() => node.Entries[key] = old);
            return Errno.OK;
        }

        public override Errno RemoveDentry(InodeNumber directory, ReadOnlySpan<byte> name)
        {
            Spend(1);
            FakeNode node = catalog.Nodes[directory.Value];
            byte[] key = name.ToArray();
            if (!node.Entries.Remove(key, out FakeEntry old))
            {
                return Errno.ENOENT;
            }

            node.Order.Remove(old.Cookie);
            _undo.Push(() =>
            {
                node.Entries.Add(key, old);
                node.Order.Add(old.Cookie, key);
            });
            return Errno.OK;
        }

        public override void PutSymlink(InodeNumber inode, ReadOnlySpan<byte> target)
        {
            Spend(1 + ((target.Length + 511) / 512));
            FakeNode node = catalog.Nodes[inode.Value];
            Demand(node.Target is null, "a target is set once");
            node.Target = target.ToArray();
            _undo.Push(() => node.Target = null);
        }

        public override Errno PutXattr(InodeNumber inode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
        {
            FakeNode node = Node(inode);
            byte[] key = name.ToArray();
            byte[]? old = node.Xattrs.GetValueOrDefault(key);
            Spend(1 + ((Math.Max(value.Length, old?.Length ?? 0) + 511) / 512));
            Demand(!removes || value.Length <= old?.Length, "a removal adds no attribute");
            if (value.Length > 65536)
            {
                return Errno.E2BIG;
            }

            node.Xattrs[key] = value.ToArray();
            _undo.Push(() => Restore(node, key, old));
            return Errno.OK;
        }

        public override Errno RemoveXattr(InodeNumber inode, ReadOnlySpan<byte> name)
        {
            FakeNode node = Node(inode);
            byte[] key = name.ToArray();
            byte[]? old = node.Xattrs.GetValueOrDefault(key);
            Spend(1 + (((old?.Length ?? 0) + 511) / 512));
            if (!node.Xattrs.Remove(key))
            {
                return Errno.ENODATA;
            }

            _undo.Push(() => Restore(node, key, old));
            return Errno.OK;
        }

        public override void AddOrphan(InodeNumber inode)
        {
            Spend(1);
            Demand(catalog._orphans.Add(inode.Value), "an orphan is recorded once");
            _undo.Push(() => catalog._orphans.Remove(inode.Value));
        }

        public override void RemoveOrphan(InodeNumber inode)
        {
            Spend(1);
            Demand(catalog._orphans.Remove(inode.Value), "only an orphan's record is removed");
            _undo.Push(() => catalog._orphans.Add(inode.Value));
        }

        public override void Complete()
        {
            Demand(!_complete && !_disposed, "an operation completes once");
            string? problem = catalog.FindProblem();
            Demand(problem is null, problem ?? "");
            _complete = true;
        }

        public override void Dispose()
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            while (!_complete && _undo.TryPop(out Action? undo))
            {
                undo();
            }

            catalog._gate.ExitWriteLock();
        }

        private static void Restore(FakeNode node, byte[] key, byte[]? old)
        {
            if (old is null)
            {
                node.Xattrs.Remove(key);
            }
            else
            {
                node.Xattrs[key] = old;
            }
        }

        private FakeNode Node(InodeNumber inode)
        {
            Demand(catalog.Nodes.TryGetValue(inode.Value, out FakeNode? node), "an attribute needs its inode");
            return node!;
        }

        private void Spend(int changes)
        {
            Demand(!_complete && !_disposed && catalog._gate.IsWriteLockHeld, "changes are made inside their operation");
            _spent += changes;
            Demand(_spent <= reserved, $"an operation that reserved {reserved} changes makes more");
        }
    }
}
