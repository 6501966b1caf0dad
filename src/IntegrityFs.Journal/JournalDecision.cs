// Promise: what recovery does with a transaction is decided here, by a pure function of four facts; a test walks every
// combination.
namespace IntegrityFs.Journal;

/// <summary>What recovery does at one position of the journal.</summary>
public enum JournalDecision
{
    /// <summary>Nothing was written here: the log ends.</summary>
    End,

    /// <summary>Whole: replay it.</summary>
    Apply,

    /// <summary>Durable once, one descriptor copy is bad now: replay it, report the damage.</summary>
    ApplyReportDamage,

    /// <summary>Durable once, images are bad now: replay the good ones, the others' blocks are lost until overwritten.</summary>
    ApplyQuarantine,

    /// <summary>The last transaction, not whole: a crash in its commit; it was never acknowledged. Drop and report.</summary>
    DropTorn,

    /// <summary>Durable once, both descriptor copies are bad now: which blocks it changed is unknown. Refuse to mount.</summary>
    Gap,
}

/// <summary>The decision table of recovery.</summary>
public static class JournalDecisionTable
{
    /// <summary>Decides about the transaction at one position.</summary>
    /// <param name="leading">The descriptor in front is authentic and continues the chain.</param>
    /// <param name="trailing">The copy behind is.</param>
    /// <param name="images">Every image fits its tag.</param>
    /// <param name="successor">An authentic record with a higher sequence stands further on. Commits are written one
    /// after the other's flush, so a successor proves that this one was durable.</param>
    public static JournalDecision Decide(bool leading, bool trailing, bool images, bool successor) =>
        (leading, trailing, images, successor) switch
        {
            (false, false, _, false) => JournalDecision.End,
            (false, false, _, true) => JournalDecision.Gap,
            (true, true, true, _) => JournalDecision.Apply,
            (_, _, true, false) => JournalDecision.Apply,
            (_, _, true, true) => JournalDecision.ApplyReportDamage,
            (_, _, false, true) => JournalDecision.ApplyQuarantine,
            (_, _, false, false) => JournalDecision.DropTorn,
        };

    /// <summary>A number from 0 to 15 for each combination of the four facts, to count which ones were met.</summary>
    public static int CaseOf(bool leading, bool trailing, bool images, bool successor) =>
        (leading ? 8 : 0) + (trailing ? 4 : 0) + (images ? 2 : 0) + (successor ? 1 : 0);

    /// <summary>False for the two that cannot be: without a descriptor there is no image that could be wrong.</summary>
    public static bool IsReachable(int number) => number is not (0 or 1);

    /// <summary>True where only damage or tampering leads there, never a crash.</summary>
    public static bool NeedsDamage(int number) => Decide((number & 8) != 0, (number & 4) != 0, (number & 2) != 0, (number & 1) != 0)
        is JournalDecision.Gap or JournalDecision.ApplyReportDamage or JournalDecision.ApplyQuarantine;
}
