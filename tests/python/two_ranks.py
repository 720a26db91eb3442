"""Records a call pair in one process, then sequence-parallel in two: python two_ranks.py FOLDER."""

import faulthandler
import os
import sys

import torch
import torch.distributed as dist
import torch.multiprocessing


def work(rank, folder):
    faulthandler.dump_traceback_later(500, exit=True)  # rather than wait for the other for ever
    torch.set_num_threads(1)
    import models as M
    from teacache import TraceRecorder

    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=os.environ.get("MASTER_PORT", "29517"))
    dist.init_process_group("gloo", rank=rank, world_size=2)
    model, _, arguments = M.make("Wan 2.1")

    def record(path):
        with TraceRecorder(model, path) as recorder, recorder.run("a"), torch.no_grad():
            for t in (900.0, 700.0):
                M.output_of(model, arguments(M.random(1, 4, 4, 8, 8), torch.tensor([t])))

    if rank == 0:
        record(f"{folder}/one")
    dist.barrier()
    torch.cpu.device_count = torch.accelerator.device_count = lambda: 2
    model.enable_parallelism(config=M.D.ContextParallelConfig(ulysses_degree=2))
    record(f"{folder}/two")
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.multiprocessing.spawn(work, args=(sys.argv[1],), nprocs=2)
