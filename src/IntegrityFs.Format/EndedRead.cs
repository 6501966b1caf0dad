namespace IntegrityFs.Format;

/// <summary>A read of a queue that has ended.</summary>
/// <param name="Number">Which, as it was given when it began.</param>
/// <param name="Bytes">What is there, verified; negative where all of it is to be read in the ordinary way, whose matter errors
/// are.</param>
public readonly record struct EndedRead(int Number, int Bytes);
