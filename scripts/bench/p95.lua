-- wrk prints the 90th and the 99th of a hundred; this adds the 95th, in milliseconds.
function done(_, latency)
    io.write(string.format("p95 %.3f\n", latency:percentile(95) / 1000))
end
