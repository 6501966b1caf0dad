// Promise: what a scan of the journal found, and nothing of how. An image is good, or bad with its content at home, or lost.
using IntegrityFs.Format;

namespace IntegrityFs.Journal;

/// <summary>A transaction found by the scan.</summary>
public sealed class JournalTransaction
{
    /// <summary>Number of the transaction, the version of its blocks.</summary>
    public required ulong Sequence { get; init; }

    /// <summary>Position of its descriptor.</summary>
    public required ulong Position { get; init; }

    /// <summary>Blocks of the leading descriptor: images begin behind it.</summary>
    public required int DescriptorBlocks { get; init; }

    /// <summary>Images in it.</summary>
    public required int Images { get; init; }

    /// <summary>What it changed; image entries are in the order of the images.</summary>
    public required JournalEntry[] Entries { get; init; }

    /// <summary>Its MAC, which the next one chains to.</summary>
    public required byte[] Mac { get; init; }

    /// <summary>MAC of the one before it.</summary>
    public required byte[] Chain { get; init; }

    /// <summary>Indexes of images that do not fit their tags.</summary>
    public List<int> BadImages { get; } = [];

    /// <summary>Indexes of images that do not fit their tags while their blocks at home do: a checkpoint had begun.</summary>
    public List<int> ImagesAtHome { get; } = [];

    /// <summary>A block that it wrote in place does not fit its tag; looked at only in the last transaction.</summary>
    public bool InPlaceTorn { get; set; }

    /// <summary>What was decided.</summary>
    public JournalDecision Decision { get; set; }

    /// <summary>Position behind it.</summary>
    public ulong End => Position + (ulong)Images + (2UL * (ulong)DescriptorBlocks);

    /// <summary>Position of the first image.</summary>
    public ulong FirstImage => Position + (ulong)DescriptorBlocks;
}

/// <summary>Result of a scan.</summary>
public sealed class JournalScanResult
{
    /// <summary>To be replayed, oldest first.</summary>
    public List<JournalTransaction> Transactions { get; } = [];

    /// <summary>The torn transaction at the end, where there is one.</summary>
    public JournalTransaction? Torn { get; set; }

    /// <summary>Position where the log cannot be followed though newer records exist; null where all is well.</summary>
    public ulong? GapAt { get; set; }

    /// <summary>Sequence of the newest authentic record behind the gap.</summary>
    public ulong GapSuccessor { get; set; }

    /// <summary>Bits of <see cref="JournalDecisionTable.CaseOf"/>: which cases of the decision table this scan met.</summary>
    public int Cases { get; set; }

    /// <summary>Position behind the last transaction to be replayed.</summary>
    public ulong End { get; set; }

    /// <summary>MAC of the last transaction to be replayed.</summary>
    public byte[] Chain { get; set; } = [];

    /// <summary>The last transaction looked torn, but was durable once: what is good of it is to be replayed.</summary>
    public void KeepTorn()
    {
        JournalTransaction torn = Torn ?? throw new InvalidOperationException("there is no torn transaction");
        torn.Decision = JournalDecision.ApplyQuarantine;
        Transactions.Add(torn);
        End = torn.End;
        Chain = torn.Mac;
        Torn = null;
    }
}
