# The image of a cluster's nodes, head and workers alike: the Ray, Python, torch and libraries that the tests know.
#
#   docker build --tag raysep .                              build it in the checkout, push it where the nodes can read it
#   docker run --rm raysep raysep --version
#
# Ray's own image brings Ray with its dependencies and CUDA; tests/test_deploy.py compares what is pinned here with
# constraints.txt and the Makefile.
FROM rayproject/ray:2.60.0-py311-cu128

# The build for CUDA, which runs on nodes without a GPU too. In a layer of its own: it is the largest, and changes least.
RUN pip install --no-cache-dir 'torch==2.13.0'

# What raysep depends on, before its code: a changed line of code rebuilds only what follows.
COPY --chown=ray:users constraints.txt requirements-songs.txt /home/ray/raysep/
RUN pip install --no-cache-dir --no-deps --requirement /home/ray/raysep/requirements-songs.txt

COPY --chown=ray:users pyproject.toml README.md LICENSE /home/ray/raysep/
COPY --chown=ray:users raysep /home/ray/raysep/raysep
RUN pip install --no-cache-dir --constraint /home/ray/raysep/constraints.txt '/home/ray/raysep[embedders]'
