using IntegrityFs.Format;

namespace IntegrityFs.Images.Tests;

/// <summary>A way to break a volume, and what the checker says to it.</summary>
/// <param name="Name">What is broken.</param>
/// <param name="Break">The recipe.</param>
/// <param name="Expected">Problems that a check must report; it may report what follows from them.</param>
internal sealed record BrokenImage(string Name, Action<Breaker> Break, params ProblemCode[] Expected);
