using CsCheck;
using IntegrityFs.Catalog.Content;
using IntegrityFs.Format;

namespace IntegrityFs.Catalog.Tests.Content;

/// <summary>Random operations on several files behave as on arrays, on volumes of every shape, and where space runs out
/// what is left is the state after a part of the operation.</summary>
public sealed class ContentModelTests
{
    private const int Files = 3;
    private const int Capacity = 96;

    internal enum Kind
    {
        Write,
        Append,
        Truncate,
        Extend,
        KeepSize,
        Punch,
        Zero,
        ZeroKeepSize,
        Read,
        Seek,
        Fill,
        GiveBack,
    }

    internal readonly record struct Step(Kind Kind, int File, int From, int Length, bool Aligned)
    {
        public override string ToString() => $"{Kind}({File}, {From}, {Length}{(Aligned ? ", aligned" : string.Empty)})";
    }

    internal readonly record struct Shape(int BlockSize, int TotalBlocks, int MaxOperationBlocks, int MaxRun, int FragmentSeed);

    private static readonly Gen<Step> GenStep = Gen.Select(
        Gen.Frequency(
            (6, Gen.Const(Kind.Write)),
            (3, Gen.Const(Kind.Append)),
            (2, Gen.Const(Kind.Truncate)),
            (1, Gen.Const(Kind.Extend)),
            (1, Gen.Const(Kind.KeepSize)),
            (2, Gen.Const(Kind.Punch)),
            (1, Gen.Const(Kind.Zero)),
            (1, Gen.Const(Kind.ZeroKeepSize)),
            (2, Gen.Const(Kind.Read)),
            (1, Gen.Const(Kind.Seek)),
            (1, Gen.Const(Kind.Fill)),
            (1, Gen.Const(Kind.GiveBack))),
        Gen.Int[0, Files - 1],
        Gen.Frequency((3, Gen.Int[0, 1000]), (1, Gen.Int[0, 30])),
        Gen.Frequency((3, Gen.Int[0, 1000]), (2, Gen.Int[0, 60])),
        Gen.Bool,
        (kind, file, from, length, aligned) => new Step(kind, file, from, length, aligned));

    private static readonly Gen<Shape> GenShape = Gen.Select(
        Pick(512, 512, 4096),
        Pick(90, 150, 600),
        Pick(80, 120, 500),
        Pick(1, 3, int.MaxValue, int.MaxValue),
        Gen.Int[0, 3],
        (blockSize, total, most, run, seed) => new Shape(blockSize, total, most, run, seed));

    private static Gen<int> Pick(params int[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    [Fact]
    public void Any_sequence_of_operations_does_to_files_what_it_does_to_arrays() =>
        Gen.Select(GenShape, GenStep.List[1, 40]).Sample((shape, steps) => new Run(shape).Play(steps), iter: 400);

    private sealed class Run
    {
        private readonly ContentFixture _fixture;
        private readonly ContentModel[] _models = new ContentModel[Files];
        private readonly List<BlockNumber> _taken = [];
        private readonly int _bytes;

        public Run(Shape shape)
        {
            _fixture = new ContentFixture(
                new MemoryVolumeOptions
                {
                    BlockSize = shape.BlockSize,
                    TotalBlocks = shape.TotalBlocks,
                    MaxOperationBlocks = shape.MaxOperationBlocks,
                    MaxRun = shape.MaxRun,
                    FragmentSeed = shape.FragmentSeed,
                    GroupBlocks = 4096,
                },
                Files);
            _bytes = shape.BlockSize * Capacity;
            for (int i = 0; i < Files; i++)
            {
                _models[i] = new ContentModel(shape.BlockSize, _fixture.InlineLimit, Capacity);
            }
        }

        public void Play(List<Step> steps)
        {
            using (_fixture)
            {
                long free = _fixture.Volume.FreeBlocks;
                for (int i = 0; i < steps.Count; i++)
                {
                    Do(steps[i], i + 1);
                    Check(steps[i].File);
                }

                _fixture.Volume.GiveBack(_taken);
                InodeNumber[] files = [.. Enumerable.Range(0, Files).Select(ContentFixture.File)];
                _fixture.CheckBlocks(files);
                _taken.Clear();
                _taken.AddRange(_fixture.Volume.FillUpTo(0));
                foreach (InodeNumber file in files)
                {
                    Assert.Equal(Errno.OK, _fixture.Content.Destroy(file));
                }

                _fixture.Volume.GiveBack(_taken);
                Assert.Equal(free, _fixture.Volume.FreeBlocks);
                Assert.Empty(_fixture.Tree.Keys);
            }
        }

        private void Do(Step step, int seed)
        {
            ContentModel model = _models[step.File];
            InodeNumber file = ContentFixture.File(step.File);
            int from = Place(step.From, step.Aligned);
            int end = Math.Min(_bytes, from + (step.Aligned ? Place(step.Length, true) / 4 : Place(step.Length, false) / 8));
            switch (step.Kind)
            {
                case Kind.Write:
                    Write(model, file, from, end - from, seed);
                    break;
                case Kind.Append:
                    int start = (int)Math.Min(model.Size, _bytes);
                    Write(model, file, start, Math.Min(step.Length * 7, _bytes - start), seed);
                    break;
                case Kind.Truncate:
                    Assert.Equal(Errno.OK, _fixture.Content.Truncate(file, from, ContentFixture.Change));
                    model.Truncate(from);
                    break;
                case Kind.Read:
                    byte[] expected = model.Data[from..(int)Math.Max(from, Math.Min(end, model.Size))];
                    Assert.Equal(expected, _fixture.Read(file, from, end - from));
                    break;
                case Kind.Seek:
                    Assert.Equal(model.Seek(from, false), _fixture.Seek(file, from, false));
                    Assert.Equal(model.Seek(from, true), _fixture.Seek(file, from, true));
                    break;
                case Kind.Fill:
                    _taken.AddRange(_fixture.Volume.FillUpTo(step.Length / 30));
                    break;
                case Kind.GiveBack:
                    _fixture.Volume.GiveBack(_taken);
                    _taken.Clear();
                    break;
                default:
                    Allocate(model, file, from, end, ModeOf(step.Kind));
                    break;
            }
        }

        private static AllocateMode ModeOf(Kind kind) => kind switch
        {
            Kind.Extend => AllocateMode.Extend,
            Kind.KeepSize => AllocateMode.KeepSize,
            Kind.Punch => AllocateMode.PunchHole,
            Kind.Zero => AllocateMode.ZeroRange,
            _ => AllocateMode.ZeroRangeKeepSize,
        };

        private int Place(int thousandths, bool aligned)
        {
            int place = (int)((long)thousandths * (_bytes - 1) / 1000);
            return aligned ? place / _fixture.BlockSize * _fixture.BlockSize : place;
        }

        private void Write(ContentModel model, InodeNumber file, int offset, int length, int seed)
        {
            byte[] data = ContentFixture.Bytes(length, seed);
            Errno error = _fixture.Write(file, offset, data, out int written);
            Assert.True(error is Errno.OK or Errno.ENOSPC);
            Assert.True(error == Errno.OK ? written == length : written < length);
            model.Write(offset, data.AsSpan(0, written));
            if (error != Errno.OK)
            {
                model.TakeOver(_fixture, file, 0, 0);
            }
        }

        private void Allocate(ContentModel model, InodeNumber file, int offset, int end, AllocateMode mode)
        {
            Errno error = _fixture.Content.Allocate(file, offset, end - offset, mode, ContentFixture.Change);
            if (end == offset)
            {
                Assert.Equal(Errno.EINVAL, error);
                return;
            }

            Assert.True(error is Errno.OK or Errno.ENOSPC);
            if (error == Errno.OK)
            {
                model.Allocate(offset, end, mode);
            }
            else
            {
                bool clears = mode is not AllocateMode.Extend and not AllocateMode.KeepSize;
                model.TakeOver(_fixture, file, clears ? offset : 0, clears ? end : 0);
            }
        }

        private void Check(int index)
        {
            ContentModel model = _models[index];
            InodeNumber file = ContentFixture.File(index);
            InodeRecord record = _fixture.Record(file);
            Assert.Equal(model.Size, record.Size);
            Assert.Equal(model.Blocks, record.Blocks);
            Assert.True(model.Data.AsSpan(0, (int)model.Size).SequenceEqual(_fixture.Read(file, 0, _bytes)), "content");
            var blocks = new SegmentKind[Capacity];
            foreach (FileExtent extent in _fixture.Extents(file))
            {
                for (long b = extent.FileBlock; b < extent.End; b++)
                {
                    blocks[b] = extent.Unwritten ? SegmentKind.Unwritten : SegmentKind.Written;
                }
            }

            for (int b = 0; b < Capacity; b++)
            {
                Assert.True(model[b] == blocks[b], $"block {b} of file {index} is {blocks[b]}, not {model[b]}");
            }
        }
    }
}
