using System.Numerics;
using IntegrityFs.Format;
using IntegrityFs.Journal;

namespace IntegrityFs.CrashTesting;

/// <summary>Which cases of the journal's decision table a run met.</summary>
/// <param name="Cases">Bits of <see cref="JournalDecisionTable.CaseOf"/>.</param>
public readonly record struct DecisionCoverage(int Cases)
{
    internal const string DataKey = "decision cases";

    private const int AllCases = 0xffff;

    private static int Reachable => Enumerable.Range(0, 16).Where(JournalDecisionTable.IsReachable).Aggregate(0, (bits, number) => bits | (1 << number));

    /// <summary>Cases that can occur.</summary>
    public static int Total => BitOperations.PopCount((uint)Reachable);

    /// <summary>Those among them that were met.</summary>
    public int Covered => BitOperations.PopCount((uint)(Cases & Reachable & AllCases));

    /// <summary>One line for each case that was not met.</summary>
    public IReadOnlyList<string> Missing
    {
        get
        {
            int cases = Cases;
            return [.. Enumerable.Range(0, 16).Where(number => JournalDecisionTable.IsReachable(number) && ((cases >> number) & 1) == 0).Select(Describe)];
        }
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Covered}/{Total}";

    /// <summary>The cases that led to a refusal: a gap in the journal is one by itself.</summary>
    internal static int Of(Exception error) => error is IntegrityException { Zone: Zone.Journal }
        ? 1 << JournalDecisionTable.CaseOf(false, false, true, true)
        : error.Data[DataKey] is int cases ? cases : 0;

    private static string Describe(int number)
    {
        bool leading = (number & 8) != 0, trailing = (number & 4) != 0, images = (number & 2) != 0, successor = (number & 1) != 0;
        return $"descriptor {Word(leading)}, copy {Word(trailing)}, images {Word(images)}, {(successor ? "with" : "no")} successor: {JournalDecisionTable.Decide(leading, trailing, images, successor)}";
    }

    private static string Word(bool good) => good ? "good" : "bad";
}
