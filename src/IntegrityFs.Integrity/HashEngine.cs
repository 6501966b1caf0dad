namespace IntegrityFs.Integrity;

/// <summary>By what tags of many blocks are computed. The tags are the same.</summary>
public enum HashEngine
{
    /// <summary>Intel's multi-buffer library where it can be used, else OpenSSL.</summary>
    Auto,

    /// <summary>OpenSSL, through the runtime.</summary>
    OpenSsl,
}

/// <summary>What is used, and why.</summary>
public static class HashEngines
{
    /// <summary>The name of what is used in this process for <paramref name="engine"/> and blocks of
    /// <paramref name="blockSize"/> bytes: "openssl", or "ipsec-mb" with its version.</summary>
    public static string NameOf(HashEngine engine, int blockSize) =>
        RefusalOf(engine, blockSize) is null ? $"ipsec-mb {MultiBufferLibrary.Process.Version}" : "openssl";

    /// <summary>Why the multi-buffer library is not used; null where it is.</summary>
    public static string? RefusalOf(HashEngine engine, int blockSize) =>
        engine == HashEngine.OpenSsl ? "hash=openssl"
            : blockSize > MultiBufferHmac.LargestBlock ? "blocks are too long for the multi-buffer library"
            : MultiBufferLibrary.Process.Refusal;
}
