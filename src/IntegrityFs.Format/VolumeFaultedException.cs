namespace IntegrityFs.Format;

/// <summary>The volume takes no more changes, because an earlier device write or flush failed.</summary>
public sealed class VolumeFaultedException(string message, Exception? cause = null) : IOException(message, cause);
