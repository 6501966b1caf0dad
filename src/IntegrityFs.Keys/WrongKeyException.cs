namespace IntegrityFs.Keys;

/// <summary>No slot opens with the given credential.</summary>
public sealed class WrongKeyException(string message) : Exception(message);

/// <summary>A credential cannot be had or is not acceptable: missing file, wrong size, readable by others.</summary>
public sealed class CredentialException(string message, Exception? cause = null) : Exception(message, cause);

/// <summary>A change of the key slots that is not possible: no free slot, no such slot, the last slot.</summary>
public sealed class KeySlotException(string message) : Exception(message);
