-- Let this script run when Redis is at its memory limit: it ends leases, answers or frees more than it adds, and Redis
-- refuses only a script whose first write may need memory.
redis.call('DEL', K .. 'room')
