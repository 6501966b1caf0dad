using IntegrityFs.Format;
using IntegrityFs.Fuse.Protocol;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.Fuse.Serving;

/// <summary>Sends replies, and knows which failures to do so are none.</summary>
internal static class Replies
{
    /// <summary>Number of ECONNABORTED.</summary>
    public const int Aborted = 103;

    /// <summary>Sends a reply; false where nobody got it.</summary>
    public static bool Send(IRequestChannel channel, ReadOnlySpan<byte> message, Opcode operation, ILogger logger)
    {
        int sent = channel.Send(message);

        // ENOENT: the requester is gone. ENODEV and ECONNABORTED show at the next read.
        if (sent < 0 && -sent is not ((int)Errno.ENOENT or (int)Errno.ENODEV or Aborted))
        {
            Log.SendFailed(logger, operation, -sent);
        }

        return sent >= 0;
    }
}
