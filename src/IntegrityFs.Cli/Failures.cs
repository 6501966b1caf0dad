using IntegrityFs.Format;
using IntegrityFs.Keys;

namespace IntegrityFs.Cli;

/// <summary>Turns what the floors throw into a cause and one line.</summary>
internal static class Failures
{
    public static CommandFailure Translate(Exception exception) => exception switch
    {
        CommandFailure failure => failure,
        IntegrityException e => new CommandFailure(Cause.Integrity, e.Message, e),
        CorruptFormatException e => new CommandFailure(Cause.CorruptStructure, e.Message, e),
        DeviceException { Errno: Errno.EBUSY } e => new CommandFailure(Cause.InUse, e.Message, e),
        DeviceException e => new CommandFailure(Cause.System, e.Message, e),
        VolumeFaultedException e => new CommandFailure(Cause.System, e.Message, e),
        WrongKeyException e => new CommandFailure(Cause.WrongKey, e.Message, e),
        CredentialException e => new CommandFailure(Cause.KeySource, e.Message, e),
        KeySlotException e => new CommandFailure(Cause.Unsuitable, e.Message, e),
        OperationCanceledException e => new CommandFailure(Cause.Interrupted, "interrupted", e),
        IOException or UnauthorizedAccessException => new CommandFailure(Cause.System, exception.Message, exception),
        _ => new CommandFailure(Cause.Internal, $"internal error: {exception.GetType().Name}: {exception.Message}", exception),
    };
}
