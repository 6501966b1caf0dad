// Promise: where all faulty runs of one workload begin: the set-up done and durable, the volume closed in order (or left
// as a crash leaves it, so that mounting has a journal to replay), and the model at the same point.
using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>An image and the model's state on it.</summary>
internal sealed class FaultStart
{
    private FaultStart(PageImage image, ModelState state)
    {
        Image = image;
        State = state;
    }

    public PageImage Image { get; }

    public ModelState State { get; }

    /// <summary>Runs the operations without a fault.</summary>
    /// <param name="subject">The store.</param>
    /// <param name="formatted">An empty volume.</param>
    /// <param name="operations">What to do; everything is synced at the end.</param>
    /// <param name="close">False leaves the journal to be replayed.</param>
    public static FaultStart Make(ICrashSubject subject, PageImage formatted, IReadOnlyList<Operation> operations, bool close)
    {
        var image = formatted.ForkForThread();
        var clock = new ManualClock();
        clock.SetStep(0);
        using IMountedSubject mounted = subject.Mount(new ImageDevice(image), clock, readOnly: false);
        var model = new ModelFileSystem(clock);
        AdoptRoot(mounted.Files, model);
        var store = new OperationExecutor(mounted.Files);
        var shadow = new OperationExecutor(model);
        foreach (Operation operation in operations)
        {
            OperationResult result = store.Execute(operation);
            if (result.Error == Errno.OK && result.Created != InodeNumber.None)
            {
                model.NumberNext(result.Created);
            }

            Errno expected = shadow.Execute(operation).Error;
            if (expected != result.Error)
            {
                throw new InvalidOperationException($"set-up '{operation}' returned {result.Error}, the model {expected}");
            }
        }

        store.CloseAll();
        shadow.CloseAll();
        if (close)
        {
            mounted.Close();
        }
        else if (mounted.Files.SyncFileSystem() is var error and not Errno.OK)
        {
            throw new InvalidOperationException($"sync of the set-up: {error}");
        }

        return new FaultStart(image.Copy(), model.State.AfterCrash());
    }

    /// <summary>The root's own times and owner come from the formatter: the model takes them over.</summary>
    private static void AdoptRoot(IFileSystem files, ModelFileSystem model)
    {
        files.GetAttributes(InodeNumber.Root, out Attributes root);
        model.AdoptRoot(root);
    }
}
