// Runs kinesalite on 127.0.0.1; its own program listens on every address. Takes the port.

import kinesalite from "kinesalite";

const options = { createStreamMs: 100, updateStreamMs: 100, deleteStreamMs: 100, shardLimit: 100 };
kinesalite(options).listen(Number(process.argv[2]), "127.0.0.1");
