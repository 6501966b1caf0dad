namespace IntegrityFs.Format;

/// <summary>An authentic structure that breaks a rule of the format: written by a broken or hostile key holder.
/// <paramref name="rule"/> names the rule and where it is broken; never content.</summary>
public sealed class CorruptFormatException(string rule) : Exception(rule);
