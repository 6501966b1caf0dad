namespace IntegrityFs.CrashTesting;

/// <summary>What kind of thing a unit changes.</summary>
internal enum UnitClass
{
    /// <summary>Names.</summary>
    Directory,

    /// <summary>Size, mode, owner, attributes, allocation.</summary>
    Metadata,

    /// <summary>Bytes in a block that the file already had.</summary>
    Overwrite,

    /// <summary>Bytes in a new block, with the size that they need.</summary>
    Append,
}

/// <summary>The part of a request that reaches the disk together.</summary>
internal sealed class PersistenceUnit
{
    /// <summary>Place in the history of units.</summary>
    public required int Index { get; init; }

    public required RecordedRequest Request { get; init; }

    public required UnitClass Class { get; init; }

    public required IReadOnlyList<Effect> Effects { get; init; }

    /// <summary>Units that are on the disk if this one is: their places in the history.</summary>
    public IReadOnlyList<int> Needs { get; init; } = [];

    /// <summary>The file.</summary>
    public ulong Inode { get; init; }

    /// <summary>True where a synchronisation of the data alone need not cover it.</summary>
    public bool IsAttribute => Effects.Count > 0 && Effects[0] is AttributesEffect or XattrEffect;

    /// <summary>True where a name in this directory changes.</summary>
    public bool Touches(ulong directory)
    {
        foreach (Effect effect in Effects)
        {
            if (effect is EntryEffect entry && entry.Directory == directory)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The bytes, where it has some.</summary>
    public ContentEffect? Content => Effects.OfType<ContentEffect>().LastOrDefault();

    /// <summary>Applies as much as <paramref name="outcome"/> says.</summary>
    public FileTree Apply(FileTree tree, byte outcome)
    {
        if (outcome == UnitOutcome.Lost)
        {
            return tree;
        }

        foreach (Effect effect in Effects)
        {
            tree = effect is ContentEffect content && outcome != UnitOutcome.Whole
                ? UnitOutcome.Damage(content, outcome)?.Apply(tree) ?? tree
                : effect.Apply(tree);
        }

        return tree;
    }
}

/// <summary>What a personality lets come in part.</summary>
internal enum Tearing
{
    /// <summary>Nothing: a piece of a write is there or not.</summary>
    Nothing,

    /// <summary>Bytes in old blocks, at sectors.</summary>
    Overwrites,

    /// <summary>Appended bytes, too; they may also be zeroes or garbage.</summary>
    Everything,
}

/// <summary>How much of a unit reached the disk.</summary>
internal static class UnitOutcome
{
    public const byte Lost = 0;

    /// <summary>1 to 7: so many sectors of 512 bytes of the content, from its start.</summary>
    public const byte MostSectors = 7;

    /// <summary>The size without the content: what was never written there.</summary>
    public const byte Zeroes = 100;

    /// <summary>The size, and foreign bytes in the place of the content.</summary>
    public const byte Garbage = 101;

    public const byte Whole = 255;

    public static ContentEffect? Damage(ContentEffect content, byte outcome)
    {
        switch (outcome)
        {
            case Zeroes:
                return null;
            case Garbage:
                byte[] garbage = new byte[content.Data.Length];
                var random = new SeededRandom((ulong)content.Offset + 99);
                for (int i = 0; i < garbage.Length; i++)
                {
                    garbage[i] = (byte)random.Next();
                }

                return content with { Data = garbage };
            default:
                int kept = Math.Min(content.Data.Length, (outcome * 512) - (int)(content.Offset % 512));
                return content with { Data = content.Data[..kept] };
        }
    }
}

/// <summary>A moment at which power may fail: what is durable, and what may be lost.</summary>
/// <param name="Number">Place among the points of the recording.</param>
/// <param name="Event">The crash comes just before this event.</param>
/// <param name="Durable">The tree that every crash leaves at least.</param>
/// <param name="Pending">What may be missing, in order.</param>
/// <param name="Tears">What may be there in part.</param>
internal sealed record PersistencePoint(int Number, int Event, FileTree Durable, IReadOnlyList<PersistenceUnit> Pending, Tearing Tears)
{
    /// <summary>True where the unit may be there in part.</summary>
    public bool MayTear(int unit) => Pending[unit].Content is not null && Pending[unit].Class switch
    {
        UnitClass.Append => Tears == Tearing.Everything,
        _ => Tears != Tearing.Nothing,
    };

    /// <summary>The tree after a crash with this outcome.</summary>
    public FileTree Build(ReadOnlySpan<byte> outcomes)
    {
        FileTree tree = Durable;
        for (int i = 0; i < outcomes.Length; i++)
        {
            tree = Pending[i].Apply(tree, outcomes[i]);
        }

        return tree;
    }

    /// <summary>Loses everything that cannot be there because something that it needs is not.</summary>
    public void Close(Span<byte> outcomes)
    {
        var places = new Dictionary<int, int>(Pending.Count);
        for (int i = 0; i < Pending.Count; i++)
        {
            places.Add(Pending[i].Index, i);
            foreach (int need in Pending[i].Needs)
            {
                if (places.TryGetValue(need, out int place) && outcomes[place] != UnitOutcome.Whole)
                {
                    outcomes[i] = UnitOutcome.Lost;
                    break;
                }
            }
        }
    }

    /// <summary>Adds everything that must be there because something needs it.</summary>
    public void Complete(Span<byte> outcomes)
    {
        var places = new Dictionary<int, int>(Pending.Count);
        for (int i = 0; i < Pending.Count; i++)
        {
            places.Add(Pending[i].Index, i);
        }

        for (int i = Pending.Count - 1; i >= 0; i--)
        {
            if (outcomes[i] == UnitOutcome.Lost)
            {
                continue;
            }

            foreach (int need in Pending[i].Needs)
            {
                if (places.TryGetValue(need, out int place) && outcomes[place] != UnitOutcome.Whole)
                {
                    outcomes[place] = UnitOutcome.Whole;
                }
            }
        }
    }
}
