using Attention.Engine.Training;
using Xunit;

namespace Attention.Tests.Engine;

public class ScheduleTests
{
    private readonly Schedule schedule = new(peak: 1, minimum: 0.1, warmupSteps: 10, totalSteps: 110);

    [Fact]
    public void Warm_up_rises_in_a_line_and_the_cosine_falls_to_the_minimum()
    {
        Assert.Equal(1.0 / 11, schedule.At(0), 12);
        Assert.Equal(10.0 / 11, schedule.At(9), 12);
        Assert.Equal(1, schedule.At(10), 12);
        Assert.Equal(0.55, schedule.At(60), 12);
        Assert.Equal(0.1, schedule.At(110), 12);
        Assert.Equal(0.1, schedule.At(10_000), 12);
    }
}
