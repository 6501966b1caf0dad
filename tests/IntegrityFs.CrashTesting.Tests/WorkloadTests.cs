namespace IntegrityFs.CrashTesting.Tests;

public sealed class WorkloadTests
{
    [Theory]
    [InlineData("creat A/foo; write A/foo 0 4096 7; fsync A/foo; rename A/foo foo exchange")]
    [InlineData("mkdir A 755; mknod A/p fifo; mknod A/c char 259; symlink ../x/y A/l; begin; link A/p q; sync")]
    [InlineData("creat foo 644; setxattr foo user.a 100 3; rmxattr foo user.a; chmod foo 600; chown foo 1 2; utime foo 5 6")]
    [InlineData("creath h foo; writeh h 5 9 1; fsynch h; falloch h 0 8192 keep; truncateh h 3; linkh h bar; close h; fsync .")]
    [InlineData("falloc foo 4096 8192 punch; copy foo 0 bar 100 200; append foo 10 3; checkpoint; remount")]
    public void A_workload_survives_its_text_form(string text)
    {
        Workload workload = Workload.Parse("w", text);
        Assert.Equal(text, workload.ToString());
        Workload again = Workload.Parse("w", workload.ToString());
        Assert.Equal(workload.Operations, again.Operations);
        Assert.Equal(workload.Setup, again.Setup);
    }

    [Theory]
    [InlineData("creat")]
    [InlineData("frobnicate foo")]
    [InlineData("unlink a b c")]
    [InlineData("write foo x y z")]
    public void Nonsense_is_refused(string text) => Assert.Throws<FormatException>(() => Workload.Parse("w", text));

    [Fact]
    public void Repetition_counts_up()
    {
        Workload workload = Workload.Parse("w", "creat foo; for 3 : link foo l%");
        Assert.Equal("creat foo; link foo l0; link foo l1; link foo l2", workload.ToString());
    }

    [Fact]
    public void Content_is_a_function_of_seed_and_position()
    {
        byte[] whole = ContentPattern.Create(5, 0, 10000);
        Assert.Equal(whole[1234..5678], ContentPattern.Create(5, 1234, 4444));
        Assert.DoesNotContain((byte)0, whole);
        Assert.NotEqual(whole, ContentPattern.Create(6, 0, 10000));
    }
}
