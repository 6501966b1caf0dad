// Promise: decides whether a recovered tree is the state after k operations for some k in the interval that the crash
// allows, or a split of operation k that was under way then.
namespace IntegrityFs.CrashTesting;

/// <summary>Finds the places of a tree in a recorded history.</summary>
internal sealed class HistoryMatcher
{
    private readonly Recording _recording;
    private readonly Dictionary<ulong, List<int>> _byHash = [];

    public HistoryMatcher(Recording recording)
    {
        _recording = recording;
        for (int k = 0; k < recording.Expected.Count; k++)
        {
            ulong hash = recording.Expected[k].Hash;
            if (!_byHash.TryGetValue(hash, out List<int>? places))
            {
                _byHash.Add(hash, places = []);
            }

            places.Add(k);
        }
    }

    /// <summary>True where the tree may be there after a crash between <paramref name="least"/> and
    /// <paramref name="most"/> operations.</summary>
    public bool Matches(TreeSnapshot tree, int least, int most)
    {
        if (_byHash.TryGetValue(tree.Hash, out List<int>? places))
        {
            foreach (int k in places)
            {
                if (k >= least && k <= most)
                {
                    return true;
                }
            }
        }

        for (int k = least; k < most && k < _recording.Between.Count; k++)
        {
            // What splits may also have allocated blocks (or moved inline content to one) before anything else shows.
            bool blocksOnly = _recording.Workload.Operations[k].MaySplit
                && (tree.ModelHash == _recording.Expected[k].ModelHash || tree.ModelHash == _recording.Expected[k + 1].ModelHash);
            if (blocksOnly || _recording.Between[k].Contains(tree.ModelHash))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>How many operations a tree contains at least, which was found to be allowed.</summary>
    public int PlaceOf(TreeSnapshot tree, int least, int most) =>
        _byHash.TryGetValue(tree.Hash, out List<int>? places) ? places.Find(k => k >= least && k <= most) is var k && k > least ? k : least : least;

    /// <summary>Says how the tree differs from what is allowed.</summary>
    public string Explain(TreeSnapshot tree, int least, int most)
    {
        if (_byHash.TryGetValue(tree.Hash, out List<int>? places))
        {
            return places[^1] < least
                ? $"lost: the tree is that after {places[^1]} operations, but {least} were acknowledged{Acknowledged(least)}"
                : $"from the future: the tree is that after {places[0]} operations, but only {most} were started";
        }

        int only = Enumerable.Range(0, _recording.Expected.Count).FirstOrDefault(k => _recording.Expected[k].ModelHash == tree.ModelHash, -1);
        if (only >= 0)
        {
            return $"the tree is that after {only} operations, but the allocated blocks differ (- expected, + recovered):\n"
                + _recording.Expected[only].Difference(tree, withBlocks: true);
        }

        int nearest = Enumerable.Range(least, Math.Max(1, most - least + 1)).Where(k => k < _recording.Expected.Count)
            .MinBy(k => _recording.Expected[k].Difference(tree, true, int.MaxValue).Length);
        return $"no prefix of {least} to {most} operations; the nearest is {nearest} (- expected, + recovered):\n"
            + _recording.Expected[nearest].Difference(tree, withBlocks: true);
    }

    private string Acknowledged(int least) => least > 0 && least <= _recording.Workload.Operations.Count
        ? $" (the last by '{_recording.Workload.Operations[least - 1]}')"
        : "";
}
